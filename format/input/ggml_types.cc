#include "format/input/ggml_types.h"

#include <string_view>

#include "format/base/format_text.h"

namespace qload {

namespace {

struct Twin {
  uint32_t ggml_type;
  DType dtype;
};
/// Types that safetensors has as well.
constexpr Twin kTwins[] = {
    {0, DType::kF32},  {1, DType::kF16},  {24, DType::kI8},  {25, DType::kI16},
    {26, DType::kI32}, {27, DType::kI64}, {28, DType::kF64}, {30, DType::kBF16},
};

struct Removed {
  uint32_t ggml_type;
  std::string_view name;
};
/// Types that ggml has taken back; their numbers stay unused (ggml.h).
constexpr Removed kRemoved[] = {
    {4, "Q4_2"},      {5, "Q4_3"},        {31, "Q4_0_4_4"},   {32, "Q4_0_4_8"},
    {33, "Q4_0_8_8"}, {36, "IQ4_NL_4_4"}, {37, "IQ4_NL_4_8"}, {38, "IQ4_NL_8_8"},
};

/// Block types are 256 + ggml's number (tensor.h); larger numbers fit no DType.
constexpr uint32_t kBlockTypeBase = 256;
constexpr uint32_t kBlockTypeMax = UINT16_MAX - kBlockTypeBase;

}  // namespace

Result<DType> dtype_of_ggml(uint32_t type) {
  for (const Twin& twin : kTwins) {
    if (twin.ggml_type == type) return twin.dtype;
  }
  if (type <= kBlockTypeMax) {
    const auto dtype = static_cast<DType>(kBlockTypeBase + type);
    if (find_dtype(dtype) != nullptr) return dtype;
  }
  for (const Removed& removed : kRemoved) {
    if (removed.ggml_type == type) {
      return Error(ErrorCode::kUnsupported, text("ggml type ", type, " (", removed.name,
                                                 ") was removed from ggml and cannot be read"));
    }
  }
  return Error(ErrorCode::kUnsupported, text("ggml type ", type, " is unknown"));
}

}  // namespace qload
