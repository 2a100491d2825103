// Encoding with NEON: decoding backwards, 16 lanes at a time (see lane_scalar.cc).
#include <arm_neon.h>

#include "format/codec/lane_huffman/lane_neon.h"

namespace qload {
namespace {

/// compress[m]: the lanes of m among 8, in order and ending at byte 7, where the stream ends.
struct CompressIndexes {
  alignas(64) uint8_t bytes[256][8];
};

constexpr CompressIndexes compress_indexes() {
  CompressIndexes indexes = {};
  for (uint32_t mask = 0; mask < 256; ++mask) {
    uint32_t at = 8;
    for (uint32_t lane = 8; lane-- > 0;) {
      if ((mask >> lane & 1) != 0) indexes.bytes[mask][--at] = static_cast<uint8_t>(lane);
    }
  }
  return indexes;
}

constexpr CompressIndexes kCompress = compress_indexes();

/// Which of the lanes give a byte back: bits 0 to 7 for the first 8 lanes, and 8 to 15.
uint32_t bits_of(uint8x16_t mask) {
  const uint8x16_t bit = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
  uint8x16_t sums = vandq_u8(mask, bit);
  sums = vpaddq_u8(sums, sums);
  sums = vpaddq_u8(sums, sums);
  sums = vpaddq_u8(sums, sums);
  return vgetq_lane_u16(vreinterpretq_u16_u8(sums), 0);
}

/// Writes the bytes of the lanes in `mask` before `stream`; returns where they start. Writes 8
/// bytes whatever the mask: the rest is overwritten by lanes and rows before these.
uint8_t* give_back(uint8x8_t bytes, uint32_t mask, uint8_t* stream) {
  vst1_u8(stream - 8, vtbl1_u8(bytes, vld1_u8(kCompress.bytes[mask])));
  return stream - __builtin_popcount(mask);
}

/// Encodes the symbols of 16 lanes from `first` on; returns the stream's start.
uint8_t* encode_lanes(uint8x16_t code, uint8x16_t length, LaneEncodeState& state, uint32_t g,
                      size_t first, uint8_t* stream) {
  const uint8x16_t old_high = vld1q_u8(state.high[g] + first);
  const uint8x16_t old_low = vld1q_u8(state.low[g] + first);
  const int8x16_t start =
      vreinterpretq_s8_u8(vsubq_u8(vld1q_u8(state.position[g] + first), length));
  const uint8x16_t back = vcltzq_s8(start);
  const uint32_t bits = bits_of(back);
  stream = give_back(vget_high_u8(old_low), bits >> 8, stream);
  stream = give_back(vget_low_u8(old_low), bits & 255, stream);
  const int8x16_t position = vandq_s8(start, vdupq_n_s8(7));
  const uint8x16_t high = vbicq_u8(old_high, back);
  const uint8x16_t low = vbslq_u8(back, old_high, old_low);
  const uint8x16_t upper = vshlq_u8(code, vnegq_s8(position));
  const uint8x16_t lower = vshlq_u8(code, vsubq_s8(vdupq_n_s8(8), position));
  vst1q_u8(state.high[g] + first, vorrq_u8(high, upper));
  vst1q_u8(state.low[g] + first, vorrq_u8(low, lower));
  vst1q_u8(state.position[g] + first, vreinterpretq_u8_s8(position));
  return stream;
}

}  // namespace

void neon_count_bits(const LaneEncodeTable& table, size_t row_count, const uint8_t* plane,
                     uint8_t (*bits)[kLaneCount]) {
  for (size_t r = 0; r < row_count; ++r) {
    uint8_t* sums = bits[r % table.groups];
    for (size_t j = 0; j < kLaneCount; j += 16) {
      const uint8x16_t length = neon_lookup256(table.length, vld1q_u8(plane + r * kLaneCount + j));
      vst1q_u8(sums + j, vaddq_u8(vld1q_u8(sums + j), length));
    }
  }
}

void neon_encode_rows(const LaneEncodeTable& table, LaneEncodeState& state, size_t row_count,
                      const uint8_t* plane) {
  for (size_t r = row_count; r-- > 0;) {
    const uint32_t g = static_cast<uint32_t>(r % table.groups);
    uint8_t* stream = state.stream[g];
    for (size_t j = kLaneCount; j > 0; j -= 16) {
      const uint8x16_t symbols = vld1q_u8(plane + r * kLaneCount + j - 16);
      stream = encode_lanes(neon_lookup256(table.code, symbols),
                            neon_lookup256(table.length, symbols), state, g, j - 16, stream);
    }
    state.stream[g] = stream;
  }
}

}  // namespace qload
