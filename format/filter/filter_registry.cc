// The only list of filters. A new one is one entry here and one file beside this one.
#include <algorithm>
#include <array>

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

template <uint32_t kPlanes, int kRotation = 0>
constexpr Filter byte_planes(FilterId id, std::string_view name) {
  static_assert(kPlanes <= kStreamCountMax);
  std::array<uint16_t, kStreamCountMax> field_bytes{};
  std::fill_n(field_bytes.begin(), kPlanes, uint16_t{1});
  return {.id = id,
          .name = name,
          .stream_count = kPlanes,
          .block_bytes = kPlanes,
          .field_bytes = field_bytes,
          .split = split_byte_planes<kPlanes, kRotation>,
          .merge = merge_byte_planes<kPlanes, kRotation>};
}

constexpr Filter kFilters[] = {
    {FilterId::kNone, "none", 1, 1, {1}, split_none, merge_none},
    byte_planes<2>(FilterId::kBytePlanes2, "byte_planes_2"),
    byte_planes<4>(FilterId::kBytePlanes4, "byte_planes_4"),
    byte_planes<8>(FilterId::kBytePlanes8, "byte_planes_8"),
    byte_planes<2, 1>(FilterId::kFloatPlanes2, "float_planes_2"),
    byte_planes<4, 1>(FilterId::kFloatPlanes4, "float_planes_4"),
    byte_planes<8, 1>(FilterId::kFloatPlanes8, "float_planes_8"),
};

}  // namespace

uint64_t Filter::stream_bytes(uint64_t chunk_bytes, uint32_t stream) const {
  // No product passes chunk_bytes, since no field is wider than its block.
  const uint64_t bytes = chunk_bytes / block_bytes * field_bytes[stream];
  return stream + 1 == stream_count ? bytes + chunk_bytes % block_bytes : bytes;
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
