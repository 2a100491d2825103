#include "tools/encode/float_rows.h"

#include <bit>
#include <cstdint>
#include <cstring>

#include "format/base/assert.h"
#include "format/base/bytes.h"
#include "tools/encode/half_float.h"

namespace qload::encode {
namespace {

uint16_t to_bfloat(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

}  // namespace

bool is_plain_float(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

void decode_floats(DType dtype, std::span<const std::byte> bytes, std::span<float> out) {
  QLOAD_ASSERT(is_plain_float(dtype) &&
               bytes.size() == out.size() * find_dtype(dtype)->block_bytes);
  if (dtype == DType::kF32) {
    if (!out.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
    return;
  }
  for (size_t i = 0; i < out.size(); ++i) {
    const auto bits = load_le<uint16_t>(bytes.data() + 2 * i);
    out[i] = dtype == DType::kF16 ? float_of_half(bits) : std::bit_cast<float>(bits << 16);
  }
}

void encode_floats(DType dtype, std::span<const float> values, std::span<std::byte> out) {
  QLOAD_ASSERT(is_plain_float(dtype) &&
               out.size() == values.size() * find_dtype(dtype)->block_bytes);
  if (dtype == DType::kF32) {
    if (!values.empty()) std::memcpy(out.data(), values.data(), out.size());
    return;
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const uint16_t bits = dtype == DType::kF16 ? to_half(values[i]) : to_bfloat(values[i]);
    store_le(out.data() + 2 * i, bits);
  }
}

}  // namespace qload::encode
