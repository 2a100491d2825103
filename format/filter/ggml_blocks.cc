#include "format/filter/ggml_blocks.h"

#include <algorithm>

namespace qload {
namespace {

struct BlockFilter {
  DType dtype;
  FilterId filter;
};

/// Types whose blocks have the same fields share a filter: an F16 scale and 16 bytes of quants are
/// all of Q4_0, IQ4_NL, Q1_0 and Q2_0.
constexpr BlockFilter kBlockFilters[] = {
    {DType::kQ4_0, FilterId::kQ4_0Fields},       {DType::kQ4_1, FilterId::kQ4_1Fields},
    {DType::kQ5_0, FilterId::kQ5_0Fields},       {DType::kQ5_1, FilterId::kQ5_1Fields},
    {DType::kQ8_0, FilterId::kQ8_0Fields},       {DType::kQ8_1, FilterId::kQ8_1Fields},
    {DType::kQ2_K, FilterId::kQ2_KFields},       {DType::kQ3_K, FilterId::kQ3_KFields},
    {DType::kQ4_K, FilterId::kQ4_KFields},       {DType::kQ5_K, FilterId::kQ5_KFields},
    {DType::kQ6_K, FilterId::kQ6_KFields},       {DType::kQ8_K, FilterId::kQ8_KFields},
    {DType::kIQ2_XXS, FilterId::kIQ2_XXSFields}, {DType::kIQ2_XS, FilterId::kIQ2_XSFields},
    {DType::kIQ3_XXS, FilterId::kIQ3_XXSFields}, {DType::kIQ1_S, FilterId::kIQ1_SFields},
    {DType::kIQ4_NL, FilterId::kQ4_0Fields},     {DType::kIQ3_S, FilterId::kIQ3_SFields},
    {DType::kIQ2_S, FilterId::kIQ2_SFields},     {DType::kIQ4_XS, FilterId::kIQ4_XSFields},
    {DType::kIQ1_M, FilterId::kIQ1_MFields},     {DType::kTQ1_0, FilterId::kTQ1_0Fields},
    {DType::kTQ2_0, FilterId::kTQ2_0Fields},     {DType::kMXFP4, FilterId::kMXFP4Fields},
    {DType::kNVFP4, FilterId::kNVFP4Fields},     {DType::kQ1_0, FilterId::kQ4_0Fields},
    {DType::kQ2_0, FilterId::kQ4_0Fields},
};

}  // namespace

FilterId block_filter_of(DType dtype) {
  const auto* found = std::ranges::find(kBlockFilters, dtype, &BlockFilter::dtype);
  return found == std::end(kBlockFilters) ? FilterId::kNone : found->filter;
}

}  // namespace qload
