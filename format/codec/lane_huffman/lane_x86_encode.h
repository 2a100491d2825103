// Encoding by the x86 kernels: decoding run backwards, see lane_scalar.cc.
#pragma once

#include "format/codec/lane_huffman/lane_x86_shared.h"

namespace qload {
namespace {

template <class V>
void count_bits(const LaneEncodeTable& table, size_t row_count, const uint8_t* plane,
                uint8_t (*bits)[kLaneCount]) {
  alignas(16) uint8_t length_rows[16][kRowEntries];
  make_rows(table.length, 16, length_rows);
  for (size_t r = 0; r < row_count; ++r) {
    uint8_t* sums = bits[r % table.groups];
#pragma GCC unroll 4
    for (size_t lane = 0; lane < kLaneCount; lane += V::kLanes) {
      typename V::Bytes lengths[1];
      look_up_256<V, 1>({length_rows}, V::load(plane + r * kLaneCount + lane), lengths);
      V::store(sums + lane, V::add(V::load(sums + lane), lengths[0]));
    }
  }
}

/// Steps back by one code each. A lane that steps over a byte's border gives the window's low byte
/// back to the stream; bits of the window before its position are zero.
template <class V>
[[gnu::always_inline]] inline void step_back(Windows<V>& windows, typename V::Bytes code,
                                             typename V::Bytes length, uint8_t*& stream) {
  using Bytes = typename V::Bytes;
  const Bytes zero = {};
  const Bytes start = V::sub(windows.position, length);
  V::give(stream, windows.low, V::signs(start));
  const Bytes back = V::greater(zero, start);
  windows.low = V::select(back, windows.high, windows.low);
  windows.high = V::and_not(back, windows.high);
  windows.position = start & V::fill(7);
  // code << 8 >> position is code * 2^(7 - position) * 2; its bytes go to high and low.
  const Bytes power = V::shuffle(V::row(kShiftDown), windows.position);
  const Bytes first = V::template shift_left16<1>(
      V::multiply16(V::interleave_low(code, zero), V::interleave_low(power, zero)));
  const Bytes second = V::template shift_left16<1>(
      V::multiply16(V::interleave_high(code, zero), V::interleave_high(power, zero)));
  windows.high |=
      V::pack16(V::template shift_right16<8>(first), V::template shift_right16<8>(second));
  windows.low |= V::pack16(first & V::fill16(255), second & V::fill16(255));
}

template <class V>
void encode_rows(const LaneEncodeTable& table, LaneEncodeState& state, size_t row_count,
                 const uint8_t* plane) {
  alignas(16) uint8_t code_rows[16][kRowEntries];
  alignas(16) uint8_t length_rows[16][kRowEntries];
  make_rows(table.code, 16, code_rows);
  make_rows(table.length, 16, length_rows);
  for (size_t r = row_count; r-- > 0;) {
    const size_t g = r % table.groups;
    uint8_t* stream = state.stream[g];
#pragma GCC unroll 4
    for (size_t lane = kLaneCount; lane > 0;) {
      lane -= V::kLanes;
      typename V::Bytes values[2];
      look_up_256<V, 2>({code_rows, length_rows}, V::load(plane + r * kLaneCount + lane), values);
      Windows<V> windows = {V::load(state.high[g] + lane),
                            V::load(state.low[g] + lane),
                            V::load(state.position[g] + lane),
                            {}};
      step_back(windows, values[0], values[1], stream);
      V::store(state.high[g] + lane, windows.high);
      V::store(state.low[g] + lane, windows.low);
      V::store(state.position[g] + lane, windows.position);
    }
    state.stream[g] = stream;
  }
}

}  // namespace
}  // namespace qload
