// The prefix code of one segment: code lengths in, tables out.
#pragma once

#include <array>
#include <cstdint>

#include "format/codec/lane_huffman/lane_kernel.h"
#include "qload/result.h"

namespace qload {

/// A prefix code over symbols, which are bytes without their low raw_bits (or nibbles). A symbol
/// without a code is escaped: the escape code stands for it, and its byte in a list.
struct LaneCode {
  uint32_t raw_bits = 0;
  uint32_t symbol_count = 256;  ///< 256 >> raw_bits, or 16 for nibbles.
  /// The lengths that are stored: `span` symbols from `first_symbol` on, modulo symbol_count.
  uint32_t first_symbol = 0;
  uint32_t span = 1;
  std::array<uint8_t, 256> length = {};  ///< In bits, by symbol; 0: it has no code.
  uint32_t escape_length = 0;            ///< 0: there is no escape.

  uint32_t symbol_at(uint32_t place) const { return (first_symbol + place) % symbol_count; }
  /// One symbol alone, whose code has no bits.
  bool lone() const { return span == 1 && escape_length == 0; }
};

/// kCorrupt unless the code is complete (its Kraft sum is exactly one) or lone.
/// REQUIRES: raw_bits, symbol_count, first_symbol, span and all lengths are in their ranges.
Status check_lane_code(const LaneCode& code);

/// What the next 8 bits say. Codes count up by length, then by place from first_symbol on; the
/// escape code comes last and is all ones. REQUIRES: check_lane_code(code).ok().
void make_decode_table(const LaneCode& code, uint32_t groups, LaneTable& table);

/// REQUIRES: check_lane_code(code).ok(). Bytes without a code get the escape's, or nothing.
void make_encode_table(const LaneCode& code, uint32_t groups, LaneEncodeTable& table);

}  // namespace qload
