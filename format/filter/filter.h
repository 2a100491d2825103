// Filters: rearrange the bytes of a chunk into streams that compress better, reversibly.
#pragma once

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
};

/// One registry entry. A chunk of n bytes with element size e has n / e elements in its planes;
/// the n % e bytes left over follow in the last stream.
struct Filter {
  FilterId id;
  std::string_view name;
  uint32_t stream_count;   ///< In [1, kStreamCountMax].
  uint32_t element_bytes;  ///< 1, 2, 4 or 8.

  /// Decoded size of stream `stream` for a chunk of `chunk_bytes`. They sum to chunk_bytes.
  uint64_t stream_bytes(uint64_t chunk_bytes, uint32_t stream) const;

  /// Splits `chunk` into `streams` (stream_count spans of stream_bytes each). No allocation.
  void (*split)(std::span<const std::byte> chunk, std::span<const std::span<std::byte>> streams);
  /// Merges streams[] back into `chunk`. The inverse of split. No allocation.
  void (*merge)(std::span<const std::span<const std::byte>> streams, std::span<std::byte> chunk);
};

/// All filters of this build, in increasing order of id. Static storage.
std::span<const Filter> all_filters();
/// The filter of that id, or null when this library does not know it.
const Filter* find_filter(FilterId id);
const Filter* find_filter(std::string_view name);

}  // namespace qload
