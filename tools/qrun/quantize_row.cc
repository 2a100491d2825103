#include "tools/qrun/quantize_row.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>

namespace qload::qrun {
namespace {

// Magnitudes compare as the integers of their bits do: NaN is above infinity, infinity above all
// numbers. Integers have a vector maximum that keeps NaN; floats have none.
int32_t magnitude_bits(float value) { return std::bit_cast<int32_t>(value) & 0x7FFF'FFFF; }

constexpr float kCodeMax = 127;
// 1.5 * 2^23: floats of this size are whole numbers, so that adding it rounds, ties to even.
constexpr float kRounder = 12'582'912;

}  // namespace

float largest_magnitude(std::span<const float> in) {
  int32_t largest = 0;
  for (const float value : in) largest = std::max(largest, magnitude_bits(value));
  return std::bit_cast<float>(largest);
}

void raise_magnitudes(std::span<float> largest, std::span<const float> in) {
  for (size_t i = 0; i < largest.size(); ++i) {
    largest[i] =
        std::bit_cast<float>(std::max(std::bit_cast<int32_t>(largest[i]), magnitude_bits(in[i])));
  }
}

float quantize_row(std::span<const float> in, int8_t* codes) {
  const float largest = largest_magnitude(in);
  const float scale = largest / kCodeMax;
  if (!std::isfinite(largest) || scale == 0) {
    std::fill_n(codes, in.size(), int8_t{0});
    return std::isfinite(largest) ? 0.0f : std::numeric_limits<float>::quiet_NaN();
  }
  for (size_t i = 0; i < in.size(); ++i) {
    // The scale of a tiny row is rounded so coarsely that a quotient can exceed 127.
    const float code = std::clamp(in[i] / scale, -kCodeMax, kCodeMax);
    codes[i] = static_cast<int8_t>((code + kRounder) - kRounder);
  }
  return scale;
}

}  // namespace qload::qrun
