#include "tools/encode/int8_rows.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace qload::encode {
namespace {

constexpr float kCodeMax = 127;

/// Adding 1.5 * 2^23 leaves the whole part of a small float, rounded to nearest even, in the low
/// bits of its representation: 3.5f becomes 0x4B400004. Unlike rint it needs no SSE4.
std::byte rounded_code(float value) {
  return static_cast<std::byte>(std::bit_cast<uint32_t>(value + 12582912.0f) & 0xFF);
}

}  // namespace

float largest_magnitude(std::span<const float> values) {
  // Magnitudes order as their representations do, and whole numbers reduce in any order: the
  // compiler can use vectors.
  int32_t largest = 0;
  for (const float value : values) {
    largest = std::max(largest, std::bit_cast<int32_t>(value) & 0x7FFF'FFFF);
  }
  return std::bit_cast<float>(largest);
}

Int8Step int8_step(float absolute_max) {
  const float factor = kCodeMax / absolute_max;
  if (!std::isfinite(factor)) return {};
  return {.factor = factor, .scale = absolute_max / kCodeMax};
}

void encode_int8(std::span<const float> row, float factor, std::byte* out) {
  for (size_t i = 0; i < row.size(); ++i) out[i] = rounded_code(row[i] * factor);
}

void encode_int8(std::span<const float> row, std::span<const float> factors, std::byte* out) {
  for (size_t i = 0; i < row.size(); ++i) out[i] = rounded_code(row[i] * factors[i]);
}

}  // namespace qload::encode
