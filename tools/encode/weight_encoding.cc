#include "tools/encode/weight_encoding.h"

#include "tools/encode/float_rows.h"
#include "tools/encode/ggml_quantizers.h"
#include "tools/encode/int8_rows.h"

namespace qload::encode {
namespace {

struct EncodingFacts {
  Encoding encoding;
  std::string_view name;
  DType dtype;
};
constexpr EncodingFacts kFacts[] = {
    {Encoding::kF32, "f32", DType::kF32},
    {Encoding::kF16, "f16", DType::kF16},
    {Encoding::kBF16, "bf16", DType::kBF16},
    {Encoding::kInt8Tensor, "int8_tensor", DType::kI8},
    {Encoding::kInt8Channel, "int8_channel", DType::kI8},
    {Encoding::kQ8_0, "q8_0", DType::kQ8_0},
    {Encoding::kQ4_0, "q4_0", DType::kQ4_0},
    {Encoding::kQ4_K, "q4_k", DType::kQ4_K},
};

/// One row by the paper's equations. Returns the scale.
float encode_int8_row(std::span<const float> row, float absolute_max, std::byte* out) {
  const Int8Step step = int8_step(absolute_max);
  encode_int8(row, step.factor, out);
  return step.scale;
}

void encode_blocks(DType dtype, std::span<const float> row, std::span<std::byte> out) {
  const DTypeInfo* info = find_dtype(dtype);
  for (; !row.empty(); row = row.subspan(info->block_elements)) {
    quantize_block(dtype, row.first(info->block_elements), out.first(info->block_bytes));
    out = out.subspan(info->block_bytes);
  }
}

}  // namespace

std::optional<Encoding> find_encoding(std::string_view scheme) {
  for (const EncodingFacts& facts : kFacts) {
    if (facts.name == scheme) return facts.encoding;
  }
  return std::nullopt;
}

std::string_view encoding_name(Encoding encoding) {
  return kFacts[static_cast<size_t>(encoding)].name;
}

DType encoding_dtype(Encoding encoding) { return kFacts[static_cast<size_t>(encoding)].dtype; }

uint64_t encoded_row_bytes(Encoding encoding, uint64_t columns) {
  const DTypeInfo* info = find_dtype(encoding_dtype(encoding));
  return columns / info->block_elements * info->block_bytes;
}

bool has_scales(Encoding encoding) {
  return encoding == Encoding::kInt8Tensor || encoding == Encoding::kInt8Channel;
}

float encode_row(Encoding encoding, std::span<const float> row, float absolute_max,
                 std::span<std::byte> out) {
  switch (encoding) {
    case Encoding::kF32:
    case Encoding::kF16:
    case Encoding::kBF16:
      encode_floats(encoding_dtype(encoding), row, out);
      return 1;
    case Encoding::kInt8Tensor:
      return encode_int8_row(row, absolute_max, out.data());
    case Encoding::kInt8Channel:
      return encode_int8_row(row, largest_magnitude(row), out.data());
    case Encoding::kQ8_0:
    case Encoding::kQ4_0:
    case Encoding::kQ4_K:
      encode_blocks(encoding_dtype(encoding), row, out);
      return 1;
  }
  return 1;
}

}  // namespace qload::encode
