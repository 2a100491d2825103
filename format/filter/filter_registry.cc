// The only list of filters. A new one is one entry here and one file beside this one.
#include <algorithm>
#include <array>

#include "format/filter/byte_planes.h"
#include "format/filter/filter.h"
#include "format/filter/ggml_layouts.h"

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
    block_fields<kQ4_0Layout>(FilterId::kQ4_0Fields, "q4_0_fields"),
    block_fields<kQ4_1Layout>(FilterId::kQ4_1Fields, "q4_1_fields"),
    block_fields<kQ5_0Layout>(FilterId::kQ5_0Fields, "q5_0_fields"),
    block_fields<kQ5_1Layout>(FilterId::kQ5_1Fields, "q5_1_fields"),
    block_fields<kQ8_0Layout>(FilterId::kQ8_0Fields, "q8_0_fields"),
    block_fields<kQ8_1Layout>(FilterId::kQ8_1Fields, "q8_1_fields"),
    block_fields<kQ2_KLayout>(FilterId::kQ2_KFields, "q2_k_fields"),
    block_fields<kQ3_KLayout>(FilterId::kQ3_KFields, "q3_k_fields"),
    block_fields<kQ4_KLayout>(FilterId::kQ4_KFields, "q4_k_fields"),
    block_fields<kQ5_KLayout>(FilterId::kQ5_KFields, "q5_k_fields"),
    block_fields<kQ6_KLayout>(FilterId::kQ6_KFields, "q6_k_fields"),
    block_fields<kQ8_KLayout>(FilterId::kQ8_KFields, "q8_k_fields"),
    block_fields<kIQ2_XXSLayout>(FilterId::kIQ2_XXSFields, "iq2_xxs_fields"),
    block_fields<kIQ2_XSLayout>(FilterId::kIQ2_XSFields, "iq2_xs_fields"),
    block_fields<kIQ3_XXSLayout>(FilterId::kIQ3_XXSFields, "iq3_xxs_fields"),
    block_fields<kIQ1_SLayout>(FilterId::kIQ1_SFields, "iq1_s_fields"),
    block_fields<kIQ3_SLayout>(FilterId::kIQ3_SFields, "iq3_s_fields"),
    block_fields<kIQ2_SLayout>(FilterId::kIQ2_SFields, "iq2_s_fields"),
    block_fields<kIQ4_XSLayout>(FilterId::kIQ4_XSFields, "iq4_xs_fields"),
    block_fields<kIQ1_MLayout>(FilterId::kIQ1_MFields, "iq1_m_fields"),
    block_fields<kTQ1_0Layout>(FilterId::kTQ1_0Fields, "tq1_0_fields"),
    block_fields<kTQ2_0Layout>(FilterId::kTQ2_0Fields, "tq2_0_fields"),
    block_fields<kMXFP4Layout>(FilterId::kMXFP4Fields, "mxfp4_fields"),
    block_fields<kNVFP4Layout>(FilterId::kNVFP4Fields, "nvfp4_fields"),
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
