// lane_huffman written and read a second time, slowly, straight from docs/format_lane_huffman.md:
// each lane is a list of bits. For comparison with the product, and for streams that its encoder
// never writes. Shares no code with it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <span>
#include <vector>

namespace qload::test {

/// How to write a segment. The code is what these say, complete or not.
struct LaneRecipe {
  uint32_t groups = 1;
  uint32_t raw_bits = 0;
  uint32_t first_symbol = 0;
  std::vector<uint8_t> lengths = {0};  ///< At least one, at most 256.
  uint32_t escape_length = 0;
  bool nibbles = false;
  /// When set the escaped bytes are a nested stream of one segment of that recipe.
  const LaneRecipe* nested = nullptr;
};

/// Where fields stand in a stream of one segment.
inline constexpr size_t kGroupsAt = 4;
inline constexpr size_t kRawBitsAt = 5;
inline constexpr size_t kFirstSymbolAt = 6;
inline constexpr size_t kSpanLessOneAt = 7;
inline constexpr size_t kEscapeLengthAt = 8;
inline constexpr size_t kSegmentReservedAt = 9;
inline constexpr size_t kEscapeCountAt = 12;
inline constexpr size_t kEscapeBytesAt = 16;
inline constexpr size_t kGroupSizesAt = 20;

/// A segment of `bytes`. REQUIRES: each byte has a code or there is an escape, and there is a row.
std::vector<std::byte> reference_segment(const LaneRecipe& recipe,
                                         std::span<const std::byte> bytes);
/// A segment stored as it is.
std::vector<std::byte> reference_plain_segment(std::span<const std::byte> bytes);
/// A stream of that one segment.
std::vector<std::byte> reference_stream(const LaneRecipe& recipe, std::span<const std::byte> bytes);
/// A stream header, then the segments.
std::vector<std::byte> join_segments(bool nibbles, uint32_t segment_log,
                                     const std::vector<std::vector<std::byte>>& segments);

/// What `stored` decodes to, or nothing when it is corrupt.
std::optional<std::vector<std::byte>> reference_decode(std::span<const std::byte> stored,
                                                       size_t decoded_bytes);

/// A random complete code, of any kind that the format allows: any lengths, any list (with holes),
/// with an escape or with a code for every symbol that `bytes` has.
LaneRecipe random_lane_recipe(std::mt19937_64& random, std::span<const std::byte> bytes,
                              bool nibbles);
/// A stream of `bytes` in such a code, its escapes nested when that makes them fewer.
/// REQUIRES: at least 64 bytes.
std::vector<std::byte> random_lane_stream(std::mt19937_64& random, std::span<const std::byte> bytes,
                                          bool nibbles);

}  // namespace qload::test
