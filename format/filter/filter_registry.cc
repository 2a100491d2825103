// The only list of filters. A new one is one entry here and one file beside this one.
#include <algorithm>

#include "format/filter/byte_planes.h"
#include "format/filter/filter.h"

namespace qload {
namespace {

void split_none(std::span<const std::byte> chunk, std::span<const std::span<std::byte>> streams) {
  std::copy(chunk.begin(), chunk.end(), streams[0].begin());
}

void merge_none(std::span<const std::span<const std::byte>> streams, std::span<std::byte> chunk) {
  std::copy(streams[0].begin(), streams[0].end(), chunk.begin());
}

template <uint32_t kPlanes>
constexpr Filter byte_planes(FilterId id, std::string_view name) {
  static_assert(kPlanes <= kStreamCountMax);
  return {id, name, kPlanes, kPlanes, split_byte_planes<kPlanes>, merge_byte_planes<kPlanes>};
}

constexpr Filter kFilters[] = {
    {FilterId::kNone, "none", 1, 1, split_none, merge_none},
    byte_planes<2>(FilterId::kBytePlanes2, "byte_planes_2"),
    byte_planes<4>(FilterId::kBytePlanes4, "byte_planes_4"),
    byte_planes<8>(FilterId::kBytePlanes8, "byte_planes_8"),
};

}  // namespace

uint64_t Filter::stream_bytes(uint64_t chunk_bytes, uint32_t stream) const {
  if (stream_count == 1) return chunk_bytes;
  const uint64_t elements = chunk_bytes / element_bytes;
  return stream + 1 == stream_count ? elements + chunk_bytes % element_bytes : elements;
}

std::span<const Filter> all_filters() { return kFilters; }

const Filter* find_filter(FilterId id) {
  const auto* found = std::ranges::find(kFilters, id, &Filter::id);
  return found == std::end(kFilters) ? nullptr : found;
}

const Filter* find_filter(std::string_view name) {
  const auto* found = std::ranges::find(kFilters, name, &Filter::name);
  return found == std::end(kFilters) ? nullptr : found;
}

}  // namespace qload
