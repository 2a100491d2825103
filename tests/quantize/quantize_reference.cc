#include "tests/quantize/quantize_reference.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace qload::test {
namespace {

/// All finite halves that are not negative, in increasing order: the value of bits i at i.
const std::vector<double>& all_halves() {
  static const std::vector<double> kValues = [] {
    std::vector<double> values;
    for (int bits = 0; bits < 0x7C00; ++bits) {
      const int exponent = bits >> 10;
      const int fraction = bits & 1023;
      values.push_back(exponent == 0 ? std::ldexp(fraction, -24)
                                     : std::ldexp(1024 + fraction, exponent - 25));
    }
    return values;
  }();
  return kValues;
}

void append_half(std::vector<std::byte>& out, float value) {
  const uint16_t half = reference_half(value);
  out.push_back(static_cast<std::byte>(half & 255));
  out.push_back(static_cast<std::byte>(half >> 8));
}

}  // namespace

uint16_t reference_half(float value) {
  const std::vector<double>& halves = all_halves();
  const double magnitude = std::fabs(static_cast<double>(value));
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const auto above = std::lower_bound(halves.begin(), halves.end(), magnitude);
  auto bits = static_cast<uint16_t>(above - halves.begin());
  if (bits > 0 && (above == halves.end() || *above != magnitude)) {
    // Between two halves: the nearer, or of equally near ones the even.
    const double low = halves[bits - 1];
    const double high = above == halves.end() ? 65536.0 : *above;
    const double from_low = magnitude - low;
    const double from_high = high - magnitude;
    if (from_low < from_high || (from_low == from_high && (bits - 1) % 2 == 0)) --bits;
  }
  return static_cast<uint16_t>(sign | bits);
}

ReferenceInt8 reference_int8(const std::vector<float>& weights, uint64_t columns, ScaleOf scale_of,
                             const std::vector<bool>& skipped) {
  const uint64_t rows = columns == 0 ? 0 : weights.size() / columns;
  const auto weight = [&](uint64_t i) { return skipped.empty() || !skipped[i] ? weights[i] : 0; };
  const auto group = [&](uint64_t i) {
    if (scale_of == ScaleOf::kMatrix) return uint64_t{0};
    return scale_of == ScaleOf::kRow ? i / columns : i % columns;
  };
  const uint64_t groups = scale_of == ScaleOf::kMatrix ? 1
                          : scale_of == ScaleOf::kRow  ? rows
                                                       : columns;
  std::vector<float> maxima(groups, 0.0f);
  for (uint64_t i = 0; i < weights.size(); ++i) {
    maxima[group(i)] = std::max(maxima[group(i)], std::fabs(weight(i)));
  }
  ReferenceInt8 out;
  for (const float maximum : maxima) out.scales.push_back(maximum / 127.0f);
  for (uint64_t i = 0; i < weights.size(); ++i) {
    const float maximum = maxima[group(i)];
    const float factor = maximum == 0 ? 0 : 127.0f / maximum;
    out.codes.push_back(static_cast<int8_t>(std::lrint(factor * weight(i))));
  }
  return out;
}

std::vector<std::byte> reference_q8_0(const std::vector<float>& weights) {
  std::vector<std::byte> out;
  for (size_t block = 0; block < weights.size(); block += 32) {
    float maximum = 0;
    for (size_t i = block; i < block + 32; ++i) maximum = std::max(maximum, std::fabs(weights[i]));
    const float scale = maximum / 127.0f;
    const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
    append_half(out, scale);
    for (size_t i = block; i < block + 32; ++i) {
      out.push_back(static_cast<std::byte>(static_cast<int8_t>(std::lround(weights[i] * inverse))));
    }
  }
  return out;
}

std::vector<std::byte> reference_q4_0(const std::vector<float>& weights) {
  std::vector<std::byte> out;
  for (size_t block = 0; block < weights.size(); block += 32) {
    float largest = 0;  // By magnitude, with its sign; the first of equals.
    for (size_t i = block; i < block + 32; ++i) {
      if (std::fabs(weights[i]) > std::fabs(largest)) largest = weights[i];
    }
    const float scale = largest / -8.0f;
    const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
    append_half(out, scale);
    const auto quant = [&](size_t i) {
      const auto whole = static_cast<int>(std::trunc(weights[i] * inverse + 8.5f));
      return static_cast<unsigned>(std::min(15, whole));
    };
    for (size_t i = block; i < block + 16; ++i) {
      out.push_back(static_cast<std::byte>(quant(i) | (quant(i + 16) << 4)));
    }
  }
  return out;
}

}  // namespace qload::test
