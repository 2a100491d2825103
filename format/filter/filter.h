// Filters: rearrange the bytes of a chunk into streams that compress better, reversibly.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "format/base/limits.h"

namespace qload {

/// Stored in containers; values are frozen.
enum class FilterId : uint8_t {
  kNone = 0,         ///< One stream: the bytes as they are.
  kBytePlanes2 = 1,  ///< Stream p holds byte p of every 2-byte element.
  kBytePlanes4 = 2,  ///< Stream p holds byte p of every 4-byte element.
  kBytePlanes8 = 3,  ///< Stream p holds byte p of every 8-byte element.
  // Byte planes of elements rotated left by one bit: the sign stands in the lowest bit.
  kFloatPlanes2 = 4,
  kFloatPlanes4 = 5,
  kFloatPlanes8 = 6,
  // Block fields: ggml's blocks, field by field; named after the first type of that layout.
  kQ4_0Fields = 16,
  kQ4_1Fields = 17,
  kQ5_0Fields = 18,
  kQ5_1Fields = 19,
  kQ8_0Fields = 20,
  kQ8_1Fields = 21,
  kQ2_KFields = 22,
  kQ3_KFields = 23,
  kQ4_KFields = 24,
  kQ5_KFields = 25,
  kQ6_KFields = 26,
  kQ8_KFields = 27,
  kIQ2_XXSFields = 28,
  kIQ2_XSFields = 29,
  kIQ3_XXSFields = 30,
  kIQ1_SFields = 31,
  kIQ3_SFields = 32,
  kIQ2_SFields = 33,
  kIQ4_XSFields = 34,
  kIQ1_MFields = 35,
  kTQ1_0Fields = 36,
  kTQ2_0Fields = 37,
  kMXFP4Fields = 38,
  kNVFP4Fields = 39,
};

/// One registry entry. A filter deals out the bytes of one block after the other: each stream gets
/// as many bytes of every block as its field is wide. A chunk of n bytes has n / block_bytes
/// blocks; the n % block_bytes bytes left over follow in the last stream.
struct Filter {
  FilterId id;
  std::string_view name;
  uint32_t stream_count;  ///< In [1, kStreamCountMax].
  uint32_t block_bytes;   ///< An element's bytes, or those of a block of quantized elements.
  /// Bytes of a block that stream i gets; 0 beyond stream_count. They sum to block_bytes.
  std::array<uint16_t, kStreamCountMax> field_bytes;

  /// Decoded size of stream `stream` for a chunk of `chunk_bytes`. They sum to chunk_bytes.
  uint64_t stream_bytes(uint64_t chunk_bytes, uint32_t stream) const;

  /// Splits `chunk` into `streams` (stream_count spans of stream_bytes each). No allocation, any
  /// alignment. Blocks are independent: a range of whole blocks, with the same blocks' part of each
  /// stream, is split and merged like a chunk of its own.
  void (*split)(std::span<const std::byte> chunk, std::span<const std::span<std::byte>> streams);
  /// Merges streams[] back into `chunk`. The inverse of split, under the same terms.
  void (*merge)(std::span<const std::span<const std::byte>> streams, std::span<std::byte> chunk);
};

/// All filters of this build, in increasing order of id. Static storage.
std::span<const Filter> all_filters();
/// The filter of that id, or null when this library does not know it.
const Filter* find_filter(FilterId id);
const Filter* find_filter(std::string_view name);

}  // namespace qload
