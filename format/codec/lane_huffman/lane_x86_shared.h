// The loops of the x86 kernels, written once for vectors of 16 and of 32 lanes. A kernel's file
// gives them its vector type V; all here has internal linkage and is compiled for that file's
// instruction set.
//
// Peeking: high and low interleave to 16-bit windows, and a multiplication by a looked-up power of
// two shifts each by its own position. Looking up: pshufb takes 16 entries and gives zero where bit
// 7 of an index is set, so a longer table is a sum of rows: row r holds its entries xor those of
// row r - 1, and index - 16 r is negative until the row counts. For entries 20 of a table of 64,
// rows 0 and 1 count: row0[4] ^ (row0[4] ^ row1[4]).
//
// In place of a code's length the loops know its rest, 8 - length: the bits of a peek that are not
// the code's. position - rest is negative exactly when the next symbol still starts in `high`, and
// its low three bits are the next position.
#pragma once

#include <immintrin.h>

#include "format/codec/lane_huffman/lane_kernels.h"

namespace qload {
namespace {

inline constexpr size_t kRowEntries = 16;  ///< What pshufb looks up.

/// By mask of 8 lanes: shuffles that hand out bytes to lanes, or gather bytes from them, and how
/// many those are: the loops have loads to spare, but popcnt competes with vector instructions.
struct LaneShuffles {
  alignas(
      64) uint8_t expand[256][8];  ///< By lanes not due a byte; the others take theirs in order.
  alignas(64) uint8_t compress[256][8];  ///< By lanes that give a byte; those end the 8 bytes.
  alignas(64) uint8_t ones[256];
};

constexpr LaneShuffles make_lane_shuffles() {
  LaneShuffles shuffles = {};
  for (uint32_t mask = 0; mask < 256; ++mask) {
    shuffles.ones[mask] = static_cast<uint8_t>(__builtin_popcount(mask));
    uint8_t taken = 0;
    uint32_t free = 8;
    for (uint8_t lane = 0; lane < 8; ++lane) {
      shuffles.expand[mask][lane] = (mask >> lane & 1) != 0 ? taken++ : 0x80;
      if ((mask >> (7 - lane) & 1) != 0) {
        shuffles.compress[mask][--free] = static_cast<uint8_t>(7 - lane);
      }
    }
  }
  return shuffles;
}

constexpr LaneShuffles kLaneShuffles = make_lane_shuffles();

[[gnu::always_inline]] inline __m128i load8(const uint8_t* bytes) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
}

[[gnu::always_inline]] inline __m128i load16(const uint8_t* bytes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}

/// The stream's next bytes for those of 8 lanes whose bit in `due` is set; zero for the others.
[[gnu::always_inline]] inline __m128i take8(const uint8_t*& stream, uint32_t due) {
  const __m128i taken = _mm_shuffle_epi8(load8(stream), load8(kLaneShuffles.expand[due & 255]));
  stream += kLaneShuffles.ones[due & 255];
  return taken;
}

/// The same for 16 lanes.
[[gnu::always_inline]] inline __m128i take16(const uint8_t*& stream, uint32_t due) {
  const __m128i first = take8(stream, due);
  return _mm_unpacklo_epi64(first, take8(stream, due >> 8));
}

/// Puts the low 8 bytes of `lanes` whose bit in `given` is set before the stream.
[[gnu::always_inline]] inline void give8(uint8_t*& stream, __m128i lanes, uint32_t given) {
  _mm_storel_epi64(reinterpret_cast<__m128i*>(stream - 8),
                   _mm_shuffle_epi8(lanes, load8(kLaneShuffles.compress[given & 255])));
  stream -= kLaneShuffles.ones[given & 255];
}

/// The same for 16 lanes, the last first.
[[gnu::always_inline]] inline void give16(uint8_t*& stream, __m128i lanes, uint32_t given) {
  give8(stream, _mm_unpackhi_epi64(lanes, lanes), given >> 8);
  give8(stream, lanes, given);
}

/// For pshufb by position: 1 << position, and 1 << (7 - position).
alignas(16) constexpr uint8_t kShiftUp[16] = {1, 2, 4, 8, 16, 32, 64, 128};
alignas(16) constexpr uint8_t kShiftDown[16] = {128, 64, 32, 16, 8, 4, 2, 1};

/// Two vectors of V side by side, so that the loops interleave their instructions and share what
/// they load.
template <class V>
struct Twice {
  struct Bytes {
    typename V::Bytes a, b;
    friend Bytes operator&(Bytes x, Bytes y) { return {x.a & y.a, x.b & y.b}; }
    friend Bytes operator|(Bytes x, Bytes y) { return {x.a | y.a, x.b | y.b}; }
    friend Bytes operator^(Bytes x, Bytes y) { return {x.a ^ y.a, x.b ^ y.b}; }
    Bytes& operator|=(Bytes y) { return *this = *this | y; }
    Bytes& operator^=(Bytes y) { return *this = *this ^ y; }
  };
  static constexpr size_t kLanes = 2 * V::kLanes;

  static Bytes twice(typename V::Bytes x) { return {x, x}; }
  static Bytes load(const uint8_t* bytes) { return {V::load(bytes), V::load(bytes + V::kLanes)}; }
  static void store(uint8_t* bytes, Bytes x) {
    V::store(bytes, x.a);
    V::store(bytes + V::kLanes, x.b);
  }
  static Bytes row(const uint8_t* entries) { return twice(V::row(entries)); }
  static Bytes fill(uint32_t byte) { return twice(V::fill(byte)); }
#define QLOAD_TWICE(name) \
  static Bytes name(Bytes x, Bytes y) { return {V::name(x.a, y.a), V::name(x.b, y.b)}; }
  QLOAD_TWICE(shuffle)
  QLOAD_TWICE(add)
  QLOAD_TWICE(sub)
  QLOAD_TWICE(sub_saturated)
  QLOAD_TWICE(sub_unsigned)
  QLOAD_TWICE(greater)
  QLOAD_TWICE(and_not)
  QLOAD_TWICE(interleave_low)
  QLOAD_TWICE(interleave_high)
  QLOAD_TWICE(multiply16)
  QLOAD_TWICE(pack16)
#undef QLOAD_TWICE
  template <int kBits>
  static Bytes shift_right16(Bytes x) {
    return {V::template shift_right16<kBits>(x.a), V::template shift_right16<kBits>(x.b)};
  }
  template <int kBits>
  static Bytes shift_left16(Bytes x) {
    return {V::template shift_left16<kBits>(x.a), V::template shift_left16<kBits>(x.b)};
  }
  static Bytes select(Bytes mask, Bytes x, Bytes y) {
    return {V::select(mask.a, x.a, y.a), V::select(mask.b, x.b, y.b)};
  }
  static uint64_t signs(Bytes x) { return V::signs(x.a) | uint64_t{V::signs(x.b)} << V::kLanes; }
  static Bytes take(const uint8_t*& stream, uint64_t due) {
    const auto a = V::take(stream, static_cast<uint32_t>(due));
    return {a, V::take(stream, static_cast<uint32_t>(due >> V::kLanes))};
  }
  template <size_t kVector>
  static Bytes spread_bits(const uint8_t* raw) {
    return {V::template spread_bits<2 * kVector>(raw),
            V::template spread_bits<2 * kVector + 1>(raw)};
  }
  template <size_t kVector>
  static Bytes spread_pairs(const uint8_t* raw) {
    return {V::template spread_pairs<2 * kVector>(raw),
            V::template spread_pairs<2 * kVector + 1>(raw)};
  }
  template <size_t kVector>
  static Bytes spread_nibbles(const uint8_t* raw) {
    return {V::template spread_nibbles<2 * kVector>(raw),
            V::template spread_nibbles<2 * kVector + 1>(raw)};
  }
};

/// The two window bytes of V::kLanes lanes and how many of their bits are used up.
template <class V>
struct Windows {
  typename V::Bytes high, low, position, due;
};

template <class V>
[[gnu::always_inline]] inline typename V::Bytes peek(const Windows<V>& windows) {
  const typename V::Bytes power = V::shuffle(V::row(kShiftUp), windows.position);
  const typename V::Bytes zero = {};
  const auto first =
      V::multiply16(V::interleave_low(windows.low, windows.high), V::interleave_low(power, zero));
  const auto second =
      V::multiply16(V::interleave_high(windows.low, windows.high), V::interleave_high(power, zero));
  return V::pack16(V::template shift_right16<8>(first), V::template shift_right16<8>(second));
}

/// Steps on by one symbol each: rests are 0 to 8. Lanes that are due a byte are 0xFF in `due`.
template <class V>
[[gnu::always_inline]] inline void step_on(Windows<V>& windows, typename V::Bytes rest) {
  const auto start = V::sub(windows.position, rest);
  windows.due = V::greater(start, V::fill(0xFF));
  windows.position = start & V::fill(7);
}

/// Hands the stream's next bytes to the lanes that are due one.
template <class V>
[[gnu::always_inline]] inline void refill(Windows<V>& windows, const uint8_t*& stream) {
  const auto next = V::take(stream, V::signs(windows.due));
  windows.high = V::select(windows.due, windows.low, windows.high);
  windows.low = V::and_not(windows.due, windows.low) | next;
}

/// Fills `rows` so that look_up_64 or look_up_256 finds table[index].
inline void make_rows(const uint8_t* table, size_t row_count, uint8_t (*rows)[kRowEntries]) {
  for (size_t row = 0; row < row_count; ++row) {
    const bool first = row % 8 == 0;  // Indices from 128 on start anew: they are negative.
    for (size_t entry = 0; entry < kRowEntries; ++entry) {
      const uint8_t* at = table + row * kRowEntries + entry;
      rows[row][entry] = first ? *at : static_cast<uint8_t>(*at ^ *(at - kRowEntries));
    }
  }
}

/// values[t] = table t at index, for indices below 64.
template <class V, size_t kTables>
[[gnu::always_inline]] inline void look_up_64(const uint8_t (*const (&rows)[kTables])[kRowEntries],
                                              typename V::Bytes index,
                                              typename V::Bytes (&values)[kTables]) {
#pragma GCC unroll 2
  for (size_t t = 0; t < kTables; ++t) values[t] = V::shuffle(V::row(rows[t][0]), index);
#pragma GCC unroll 3
  for (size_t row = 1; row < 4; ++row) {
    index = V::sub(index, V::fill(kRowEntries));
#pragma GCC unroll 2
    for (size_t t = 0; t < kTables; ++t) values[t] ^= V::shuffle(V::row(rows[t][row]), index);
  }
}

/// The same for any indices.
template <class V, size_t kTables>
[[gnu::always_inline]] inline void look_up_256(const uint8_t (*const (&rows)[kTables])[kRowEntries],
                                               typename V::Bytes index,
                                               typename V::Bytes (&values)[kTables]) {
  auto upper = index ^ V::fill(0x80);
#pragma GCC unroll 2
  for (size_t t = 0; t < kTables; ++t) {
    values[t] = V::shuffle(V::row(rows[t][0]), index) ^ V::shuffle(V::row(rows[t][8]), upper);
  }
#pragma GCC unroll 7
  for (size_t row = 1; row < 8; ++row) {
    index = V::sub_saturated(index, V::fill(kRowEntries));
    upper = V::sub_saturated(upper, V::fill(kRowEntries));
#pragma GCC unroll 2
    for (size_t t = 0; t < kTables; ++t) {
      values[t] ^=
          V::shuffle(V::row(rows[t][row]), index) ^ V::shuffle(V::row(rows[t][8 + row]), upper);
    }
  }
}

}  // namespace
}  // namespace qload
