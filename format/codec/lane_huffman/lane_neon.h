// What the NEON kernel's two files share.
#pragma once

#include <arm_neon.h>

#include "format/codec/lane_huffman/lane_kernel.h"

namespace qload {

/// The bytes of `table` at `index` where that is less than 64, else those of `other`.
[[gnu::always_inline]] inline uint8x16_t neon_lookup64(uint8x16_t other, const uint8_t* table,
                                                       uint8x16_t index) {
  // Loads nothing before `other` is known: a compiler that loads ahead runs out of registers.
  asm("" : "+r"(table) : "w"(other));
  return vqtbx4q_u8(other, vld1q_u8_x4(table), index);
}

/// The bytes of a table of 256 at `index`.
[[gnu::always_inline]] inline uint8x16_t neon_lookup256(const uint8_t* table, uint8x16_t index) {
  uint8x16_t found = vqtbl4q_u8(vld1q_u8_x4(table), index);
  found = neon_lookup64(found, table + 64, vsubq_u8(index, vdupq_n_u8(64)));
  found = neon_lookup64(found, table + 128, vsubq_u8(index, vdupq_n_u8(128)));
  return neon_lookup64(found, table + 192, vsubq_u8(index, vdupq_n_u8(192)));
}

void neon_count_bits(const LaneEncodeTable& table, size_t row_count, const uint8_t* plane,
                     uint8_t (*bits)[kLaneCount]);
void neon_encode_rows(const LaneEncodeTable& table, LaneEncodeState& state, size_t row_count,
                      const uint8_t* plane);

}  // namespace qload
