// The reference: one lane after the other, in plain C++. What it does is what the format means.
#include <bit>
#include <cstring>

#include "format/codec/lane_huffman/lane_kernels.h"

namespace qload {
namespace {

/// Ors the raw low bits of one row to its symbols (docs/format_lane_huffman.md, "Raw bits").
void add_raw_bits(uint32_t raw_bits, const uint8_t* raw, uint8_t* row) {
  const auto add = [](uint8_t& symbol, int bits) { symbol = static_cast<uint8_t>(symbol | bits); };
  if (raw_bits == 4) {
    for (size_t j = 0; j < kLaneCount; ++j) add(row[j], raw[j & 31] >> (4 * (j >> 5)) & 15);
    return;
  }
  if (raw_bits >= 2) {
    for (size_t j = 0; j < kLaneCount; ++j) add(row[j], raw[j & 15] >> (2 * (j >> 4)) & 3);
    raw += 16;
  }
  if (raw_bits & 1) {
    for (size_t j = 0; j < kLaneCount; ++j) {
      add(row[j], (raw[j & 7] >> (j >> 3) & 1) << (raw_bits - 1));
    }
  }
}

/// Decodes one row of group `g` and returns which lanes met the escape code.
uint64_t decode_row(const LaneTable& table, LaneState& state, uint32_t g, uint8_t* row) {
  uint8_t* high = state.high[g];
  uint8_t* low = state.low[g];
  uint8_t* position = state.position[g];
  const uint8_t* stream = state.stream[g];
  uint64_t escaped = 0;
  for (size_t j = 0; j < kLaneCount; ++j) {
    const uint32_t window = static_cast<uint32_t>(high[j]) << 8 | low[j];
    const uint32_t peek = window << position[j] >> 8 & 255;
    row[j] = table.symbol[peek];
    escaped |= uint64_t{peek >= table.escape_start} << j;
    const uint32_t used = position[j] + table.length[peek];
    const bool refill = used >= 8;
    const uint8_t next = *stream;
    high[j] = refill ? low[j] : high[j];
    low[j] = refill ? next : low[j];
    stream += refill;
    position[j] = used & 7;
  }
  state.stream[g] = stream;
  return escaped;
}

void decode_rows(const LaneTable& table, const LanePrepared&, LaneState& state, size_t row_count,
                 uint8_t* out) {
  for (size_t r = 0; r < row_count; ++r) {
    uint8_t* row = out + r * kLaneCount;
    uint64_t escaped = decode_row(table, state, static_cast<uint32_t>(r) % table.groups, row);
    add_raw_bits(table.raw_bits, state.raw, row);
    state.raw += 8 * table.raw_bits;
    for (; escaped != 0; escaped &= escaped - 1) row[std::countr_zero(escaped)] = *state.escape++;
  }
}

void count_bits(const LaneEncodeTable& table, size_t row_count, const uint8_t* plane,
                uint8_t (*bits)[kLaneCount]) {
  for (size_t r = 0; r < row_count; ++r) {
    uint8_t* sums = bits[r % table.groups];
    for (size_t j = 0; j < kLaneCount; ++j) {
      sums[j] = static_cast<uint8_t>(sums[j] + table.length[plane[r * kLaneCount + j]]);
    }
  }
}

/// A decoded row undone: each lane steps back by its code's length; one that steps over a byte's
/// border gives the byte back to the shared stream, the last lane first. Bits of the window before
/// its position are zero, for the symbols to come are those that stand before.
void encode_row(const LaneEncodeTable& table, LaneEncodeState& state, uint32_t g,
                const uint8_t* row) {
  uint8_t* high = state.high[g];
  uint8_t* low = state.low[g];
  uint8_t* position = state.position[g];
  uint8_t* stream = state.stream[g];
  for (size_t j = kLaneCount; j-- > 0;) {
    const int32_t start = position[j] - table.length[row[j]];
    const uint32_t back = start < 0;
    uint32_t window = static_cast<uint32_t>(high[j]) << 8 | low[j];
    stream[-1] = low[j];  // Overwritten by the next lane unless this one gives it back.
    stream -= back;
    window >>= 8 * back;
    position[j] = start & 7;
    window |= static_cast<uint32_t>(table.code[row[j]]) << 8 >> position[j];
    high[j] = static_cast<uint8_t>(window >> 8);
    low[j] = static_cast<uint8_t>(window);
  }
  state.stream[g] = stream;
}

void encode_rows(const LaneEncodeTable& table, LaneEncodeState& state, size_t row_count,
                 const uint8_t* plane) {
  for (size_t r = row_count; r-- > 0;) {
    encode_row(table, state, static_cast<uint32_t>(r) % table.groups, plane + r * kLaneCount);
  }
}

}  // namespace

constinit const LaneKernel kLaneScalar = {
    .name = "scalar",
    .prepare = [](const LaneTable&, LanePrepared&) {},
    .decode_rows = [](const LaneTable&) -> DecodeRows { return decode_rows; },
    .count_bits = count_bits,
    .encode_rows = encode_rows,
};

}  // namespace qload
