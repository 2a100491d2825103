// The stored form of lane_huffman (docs/format_lane_huffman.md is the law; this mirrors it) and the
// state that decoding steps through. The idea, once:
//
// A plane of bytes is read in rows of 64; byte j of a row belongs to lane j. Each lane is a prefix-
// coded bit stream of its own, so 64 symbols decode at once and none waits for another. Codes have
// at most 8 bits, so a decode table is a register, not memory. A lane sees its stream through a
// window of two bytes, `high` and `low`, of which `position` bits are used up; after a row, every
// lane that has used up 8 bits or more takes its next byte from a stream that the lanes share, in
// lane order. So 64 bit streams need one pointer. Row q belongs to group q mod G; the groups have
// streams of their own, so that G chains of dependent steps are in flight.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qload {

inline constexpr size_t kLaneCount = 64;
inline constexpr uint32_t kLaneGroupsMax = 4;
/// Longest code: what an 8-bit peek can tell apart.
inline constexpr uint32_t kCodeBitsMax = 8;
inline constexpr uint32_t kRawBitsMax = 4;
/// Both windows' bytes of all lanes, which open each group's stream.
inline constexpr size_t kWindowBytes = 2 * kLaneCount;
/// Segments are 2^n decoded bytes with n in this range.
inline constexpr uint32_t kSegmentLogMin = 16;
inline constexpr uint32_t kSegmentLogMax = 24;

/// Rows that one call of a kernel may decode: 16 KiB, so that what it writes stays in the L1 cache
/// for the filter that takes it.
inline constexpr size_t kStripRowsMax = 256;
/// A kernel may read this far behind the last byte that it consumes.
inline constexpr size_t kKernelReadAhead = 64;

/// Opens a stream.
struct LaneStreamHeader {
  uint8_t flags;        ///< kNibbles or 0.
  uint8_t segment_log;  ///< 0: one segment.
  uint16_t reserved;    ///< Zero.
};
static_assert(sizeof(LaneStreamHeader) == 4);

/// Each byte of the plane is two symbols of 4 bits. Row 2i holds the low halves of 64 bytes, row
/// 2i + 1 their high halves.
inline constexpr uint8_t kNibbles = 1;

/// Opens a segment. `groups` u32 sizes follow, then (span_less_one + 2) / 2 bytes of code lengths,
/// then the groups' streams, the escaped bytes, the raw bits, and the bytes beyond the last row.
struct LaneSegmentHeader {
  uint8_t groups;         ///< 1 or 4; 0: the segment is stored as it is.
  uint8_t raw_bits;       ///< Low bits of each byte that are not coded.
  uint8_t first_symbol;   ///< The lengths' first symbol; they go on modulo the symbol count.
  uint8_t span_less_one;  ///< Symbols that have a length in the list, less one.
  uint8_t escape_length;  ///< 0: no escape code.
  uint8_t reserved[3];    ///< Zero.
  uint32_t escape_count;  ///< Escaped bytes.
  uint32_t escape_bytes;  ///< What they take: as many, or fewer when they are a stream themselves.
};
static_assert(sizeof(LaneSegmentHeader) == 16);

/// Rows of a segment of `symbol_count` symbols: as many as fill all groups alike (and pairs of rows
/// for nibbles).
constexpr size_t lane_rows(size_t symbol_count, uint32_t groups, bool nibbles) {
  const size_t step = nibbles && groups < 2 ? 2 : groups;
  return symbol_count / (kLaneCount * step) * step;
}

}  // namespace qload
