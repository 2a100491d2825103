#include "bench/codec/half_float.h"

#include <bit>
#include <cmath>

namespace qload::bench {
namespace {

constexpr int kFractionBits = 10;
constexpr int kExponentMin = -14;  // Of normal halves; below it the steps stay the same.
constexpr uint16_t kInfinity = 0x7c00;
constexpr uint16_t kNotANumber = 0x7e00;
constexpr uint16_t kSign = 0x8000;

}  // namespace

uint16_t half_of(float value) {
  const uint16_t sign = std::signbit(value) ? kSign : 0;
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return sign | kNotANumber;
  if (magnitude >= 65520.0f) return sign | kInfinity;
  if (magnitude == 0) return sign;
  // In steps of the half's last fraction bit. A carry into the next exponent is what the sum below
  // makes of 2048 steps: 1.9999 is 2048 steps of 2^-10, so (15 << 10) + 1024 = 16 << 10, 2.0.
  int exponent = std::ilogb(magnitude);
  if (exponent < kExponentMin) exponent = kExponentMin;
  const auto steps =
      static_cast<int>(std::nearbyint(std::ldexp(magnitude, kFractionBits - exponent)));
  const int biased = exponent - kExponentMin;  // 0 for subnormals, whose steps are below 1024.
  return static_cast<uint16_t>(sign + (biased << kFractionBits) + steps);
}

float float_of_half(uint16_t half) {
  const int exponent = (half >> kFractionBits) & 31;
  const int fraction = half & 1023;
  float magnitude;
  if (exponent == 31) {
    magnitude = fraction == 0 ? INFINITY : NAN;
  } else if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(fraction), kExponentMin - kFractionBits);
  } else {
    magnitude = std::ldexp(static_cast<float>(fraction + 1024),
                           exponent - 1 + kExponentMin - kFractionBits);
  }
  return (half & kSign) != 0 ? -magnitude : magnitude;
}

}  // namespace qload::bench
