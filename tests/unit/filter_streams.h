// The streams of a chunk, for tests of filters.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "format/filter/filter.h"

namespace qload::test {

/// The streams of one chunk, each in an allocation of exactly its size, so that a sanitizer sees
/// a step outside.
struct Streams {
  Streams(const Filter& filter, size_t chunk_bytes) {
    for (uint32_t i = 0; i < filter.stream_count; ++i) {
      memory.emplace_back(filter.stream_bytes(chunk_bytes, i), std::byte{0xA5});
    }
    for (auto& stream : memory) {
      mutable_spans.emplace_back(stream);
      const_spans.emplace_back(stream);
    }
  }
  std::vector<std::vector<std::byte>> memory;
  std::vector<std::span<std::byte>> mutable_spans;
  std::vector<std::span<const std::byte>> const_spans;
};

}  // namespace qload::test
