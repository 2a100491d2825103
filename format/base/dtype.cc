// The table of element types. Block sizes of ggml's types: ggml-common.h, one struct per type.
#include <algorithm>

#include "qload/tensor.h"

namespace qload {

namespace {

constexpr DTypeInfo kDTypes[] = {
    {DType::kF32, "F32", 1, 4},
    {DType::kF16, "F16", 1, 2},
    {DType::kBF16, "BF16", 1, 2},
    {DType::kF64, "F64", 1, 8},
    {DType::kI8, "I8", 1, 1},
    {DType::kU8, "U8", 1, 1},
    {DType::kI16, "I16", 1, 2},
    {DType::kU16, "U16", 1, 2},
    {DType::kI32, "I32", 1, 4},
    {DType::kU32, "U32", 1, 4},
    {DType::kI64, "I64", 1, 8},
    {DType::kU64, "U64", 1, 8},
    {DType::kBool, "BOOL", 1, 1},
    {DType::kC64, "C64", 1, 8},
    {DType::kF8E4M3, "F8_E4M3", 1, 1},
    {DType::kF8E5M2, "F8_E5M2", 1, 1},
    {DType::kF8E8M0, "F8_E8M0", 1, 1},
    {DType::kF8E4M3Fnuz, "F8_E4M3FNUZ", 1, 1},
    {DType::kF8E5M2Fnuz, "F8_E5M2FNUZ", 1, 1},
    {DType::kF6E2M3, "F6_E2M3", 4, 3},
    {DType::kF6E3M2, "F6_E3M2", 4, 3},
    {DType::kF4, "F4", 2, 1},
    {DType::kQ4_0, "Q4_0", 32, 18},
    {DType::kQ4_1, "Q4_1", 32, 20},
    {DType::kQ5_0, "Q5_0", 32, 22},
    {DType::kQ5_1, "Q5_1", 32, 24},
    {DType::kQ8_0, "Q8_0", 32, 34},
    {DType::kQ8_1, "Q8_1", 32, 36},
    {DType::kQ2_K, "Q2_K", 256, 84},
    {DType::kQ3_K, "Q3_K", 256, 110},
    {DType::kQ4_K, "Q4_K", 256, 144},
    {DType::kQ5_K, "Q5_K", 256, 176},
    {DType::kQ6_K, "Q6_K", 256, 210},
    {DType::kQ8_K, "Q8_K", 256, 292},
    {DType::kIQ2_XXS, "IQ2_XXS", 256, 66},
    {DType::kIQ2_XS, "IQ2_XS", 256, 74},
    {DType::kIQ3_XXS, "IQ3_XXS", 256, 98},
    {DType::kIQ1_S, "IQ1_S", 256, 50},
    {DType::kIQ4_NL, "IQ4_NL", 32, 18},
    {DType::kIQ3_S, "IQ3_S", 256, 110},
    {DType::kIQ2_S, "IQ2_S", 256, 82},
    {DType::kIQ4_XS, "IQ4_XS", 256, 136},
    {DType::kIQ1_M, "IQ1_M", 256, 56},
    {DType::kTQ1_0, "TQ1_0", 256, 54},
    {DType::kTQ2_0, "TQ2_0", 256, 66},
    {DType::kMXFP4, "MXFP4", 32, 17},
    {DType::kNVFP4, "NVFP4", 64, 36},
    {DType::kQ1_0, "Q1_0", 128, 18},
    {DType::kQ2_0, "Q2_0", 64, 18},
};
static_assert(std::is_sorted(std::begin(kDTypes), std::end(kDTypes),
                             [](const DTypeInfo& a, const DTypeInfo& b) {
                               return a.dtype < b.dtype;
                             }));

}  // namespace

const DTypeInfo* find_dtype(DType dtype) {
  const auto* found =
      std::lower_bound(std::begin(kDTypes), std::end(kDTypes), dtype,
                       [](const DTypeInfo& info, DType wanted) { return info.dtype < wanted; });
  return found != std::end(kDTypes) && found->dtype == dtype ? found : nullptr;
}

std::span<const DTypeInfo> all_dtypes() { return kDTypes; }

uint64_t row_bytes(const TensorInfo& info) {
  const DTypeInfo* dtype = find_dtype(info.dtype);
  if (dtype == nullptr || info.shape.empty() || info.bytes == 0) return info.bytes;
  const uint64_t elements = info.shape.back();
  if (elements == 0 || elements % dtype->block_elements != 0) return info.bytes;
  // No more than the tensor has, so nothing overflows.
  const uint64_t blocks = elements / dtype->block_elements;
  if (blocks > info.bytes / dtype->block_bytes) return info.bytes;
  const uint64_t bytes = blocks * dtype->block_bytes;
  return info.bytes % bytes == 0 ? bytes : info.bytes;
}

uint64_t row_count(const TensorInfo& info) {
  return info.bytes == 0 ? 0 : info.bytes / row_bytes(info);
}

}  // namespace qload
