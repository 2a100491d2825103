#include "tools/qrun/decode_row.h"

#include <bit>

#include "format/base/bytes.h"

namespace qload::qrun {
namespace {

void decode_q8_0(const std::byte* row, std::span<float> out) {
  for (size_t i = 0; i < out.size(); i += kBlockElements, row += kQ8BlockBytes) {
    const float scale = float_of_half_bits(load_le<uint16_t>(row));
    for (size_t j = 0; j < kBlockElements; ++j) {
      out[i + j] = scale * static_cast<float>(load_le<int8_t>(row + 2 + j));
    }
  }
}

void decode_q4_0(const std::byte* row, std::span<float> out) {
  for (size_t i = 0; i < out.size(); i += kBlockElements, row += kQ4BlockBytes) {
    const float scale = float_of_half_bits(load_le<uint16_t>(row));
    for (size_t j = 0; j < kBlockElements / 2; ++j) {
      const int pair = load_le<uint8_t>(row + 2 + j);
      out[i + j] = scale * static_cast<float>((pair & 15) - 8);
      out[i + j + kBlockElements / 2] = scale * static_cast<float>((pair >> 4) - 8);
    }
  }
}

}  // namespace

// A half's exponent and fraction, moved to a float's place, are the number times 2^-112; this holds
// for subnormal halves too, and the multiplication is exact. Infinity and NaN keep all exponent
// bits.
float float_of_half_bits(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t magnitude = static_cast<uint32_t>(half & 0x7FFF) << 13;
  if (magnitude >= 0x7C00u << 13) return std::bit_cast<float>(sign | magnitude | 0x7F80'0000u);
  return std::bit_cast<float>(sign |
                              std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f));
}

float float_of_bfloat_bits(uint16_t bfloat) {
  return std::bit_cast<float>(static_cast<uint32_t>(bfloat) << 16);
}

void decode_row(DType dtype, std::span<const std::byte> row, std::span<float> out) {
  const std::byte* from = row.data();
  switch (dtype) {
    case DType::kF32:
      for (size_t i = 0; i < out.size(); ++i) out[i] = load_le<float>(from + 4 * i);
      return;
    case DType::kF16:
      for (size_t i = 0; i < out.size(); ++i) {
        out[i] = float_of_half_bits(load_le<uint16_t>(from + 2 * i));
      }
      return;
    case DType::kBF16:
      for (size_t i = 0; i < out.size(); ++i) {
        out[i] = float_of_bfloat_bits(load_le<uint16_t>(from + 2 * i));
      }
      return;
    case DType::kI8:
      for (size_t i = 0; i < out.size(); ++i) {
        out[i] = static_cast<float>(load_le<int8_t>(from + i));
      }
      return;
    case DType::kQ8_0:
      return decode_q8_0(from, out);
    case DType::kQ4_0:
      return decode_q4_0(from, out);
    default:
      return;
  }
}

}  // namespace qload::qrun
