#include "tools/synth/weight_encoding.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "format/base/bytes.h"
#include "tools/synth/ggml_quantizers.h"
#include "tools/synth/half_float.h"

namespace qload::synth {
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

// ggml-common.h: QK8_0 and QK4_0.
constexpr size_t kBlockElements = 32;

/// Adding 1.5 * 2^23 leaves the whole part of a small float, rounded to nearest even, in the low
/// bits of its representation: 3.5f becomes 0x4B400004. Unlike rint it needs no SSE4.
uint32_t rounded_bits(float value) { return std::bit_cast<uint32_t>(value + 12582912.0f); }

float largest_magnitude(std::span<const float> row) {
  // Magnitudes order as their representations do, and whole numbers reduce in any order: the
  // compiler can use vectors.
  int32_t largest = 0;
  for (const float value : row) {
    largest = std::max(largest, std::bit_cast<int32_t>(value) & 0x7FFF'FFFF);
  }
  return std::bit_cast<float>(largest);
}

/// The paper's equations 2 and 4: round(127 / max |X| * X).
float encode_int8(std::span<const float> row, float absolute_max, std::byte* out) {
  const float factor = absolute_max > 0 ? 127.0f / absolute_max : 0.0f;
  for (size_t i = 0; i < row.size(); ++i) {
    out[i] = static_cast<std::byte>(rounded_bits(row[i] * factor) & 0xFF);
  }
  return absolute_max / 127.0f;
}

void encode_bf16(std::span<const float> row, std::byte* out) {
  for (size_t i = 0; i < row.size(); ++i) {
    const auto bits = std::bit_cast<uint32_t>(row[i]);
    const uint32_t rounded = bits + 0x7FFF + ((bits >> 16) & 1);
    store_le(out + 2 * i, static_cast<uint16_t>(rounded >> 16));
  }
}

/// ggml's Q8_0: half d = max / 127, then 32 signed bytes round(x / d).
void encode_q8_0(std::span<const float> row, std::byte* out) {
  for (size_t first = 0; first < row.size(); first += kBlockElements) {
    const auto block = row.subspan(first, kBlockElements);
    const float d = largest_magnitude(block) / 127.0f;
    const float factor = d > 0 ? 1.0f / d : 0.0f;
    store_le(out, to_half(d));
    out += 2;
    for (const float value : block) {
      *out++ = static_cast<std::byte>(rounded_bits(value * factor) & 0xFF);
    }
  }
}

/// ggml's Q4_0: half d = m / -8 for the value m of largest magnitude, then 16 bytes; byte j holds
/// elements j (low) and j + 16 (high) as min(15, int(x / d + 8.5)).
void encode_q4_0(std::span<const float> row, std::byte* out) {
  for (size_t first = 0; first < row.size(); first += kBlockElements) {
    const auto block = row.subspan(first, kBlockElements);
    float peak = 0;
    for (const float value : block) {
      if (std::abs(value) > std::abs(peak)) peak = value;
    }
    const float d = peak / -8.0f;
    const float factor = d != 0 ? 1.0f / d : 0.0f;
    store_le(out, to_half(d));
    out += 2;
    auto nibble = [&](size_t i) {
      return static_cast<uint32_t>(std::min(15, static_cast<int>(block[i] * factor + 8.5f)));
    };
    for (size_t j = 0; j < kBlockElements / 2; ++j) {
      *out++ = static_cast<std::byte>(nibble(j) | nibble(j + kBlockElements / 2) << 4);
    }
  }
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
      std::memcpy(out.data(), row.data(), row.size_bytes());
      return 1;
    case Encoding::kF16:
      for (size_t i = 0; i < row.size(); ++i) store_le(out.data() + 2 * i, to_half(row[i]));
      return 1;
    case Encoding::kBF16:
      encode_bf16(row, out.data());
      return 1;
    case Encoding::kInt8Tensor:
      return encode_int8(row, absolute_max, out.data());
    case Encoding::kInt8Channel:
      return encode_int8(row, largest_magnitude(row), out.data());
    case Encoding::kQ8_0:
      encode_q8_0(row, out.data());
      return 1;
    case Encoding::kQ4_0:
      encode_q4_0(row, out.data());
      return 1;
    case Encoding::kQ4_K:
      encode_blocks(DType::kQ4_K, row, out);
      return 1;
  }
  return 1;
}

}  // namespace qload::synth
