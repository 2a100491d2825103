#include "tools/encode/half_float.h"

#include <bit>

namespace qload::encode {
namespace {

constexpr uint16_t kSign = 0x8000;

}  // namespace

uint16_t to_half(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000;
  uint32_t magnitude = bits & 0x7FFF'FFFF;
  if (magnitude >= 0x4780'0000) {  // 65536 and above, infinity, NaN.
    return static_cast<uint16_t>(sign | (magnitude > 0x7F80'0000 ? 0x7E00 : 0x7C00));
  }
  if (magnitude < 0x3880'0000) {
    // Below 2^-14 halves are multiples of 2^-24. Adding 0.5 makes the float's own last bit worth
    // 2^-24, so the addition rounds, and the low bits are the answer.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3F00'0000));
  }
  magnitude += 0xFFF + ((magnitude >> 13) & 1);  // Round to even; may carry into the exponent.
  return static_cast<uint16_t>(sign | ((magnitude - 0x3800'0000) >> 13));
}

float float_of_half(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & kSign) << 16;
  const uint32_t magnitude = static_cast<uint32_t>(half & ~kSign) << 13;
  if (magnitude >= 0x0F80'0000) {  // Infinity and NaN: the float's exponent has three bits more.
    return std::bit_cast<float>(sign | 0x7F80'0000 | magnitude);
  }
  // The exponents' biases differ by 112. The product is exact, and right for subnormal halves too.
  return std::bit_cast<float>(sign |
                              std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f));
}

}  // namespace qload::encode
