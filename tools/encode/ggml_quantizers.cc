#include "tools/encode/ggml_quantizers.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "format/base/assert.h"
#include "format/base/bytes.h"
#include "tools/encode/half_float.h"

namespace qload::encode {
namespace {

constexpr size_t kSmallBlock = 32;  // Elements of Q8_0 and Q4_0 blocks, and of Q4_K's sub-blocks.
constexpr size_t kSubBlockCount = 8;
constexpr int kQuantMax = 15;  // Of four bits.
constexpr int kScaleMax = 63;  // Of six bits.

std::byte low_byte(int value) { return static_cast<std::byte>(value & 255); }

int nearest(float value) { return static_cast<int>(std::nearbyint(value)); }

/// 0 where a float has none: of zero, and of values below 2^-128, whose halves are zero anyway.
float inverse(float value) {
  const float result = 1 / value;
  return std::isfinite(result) ? result : 0;
}

/// As std::round, ties away from zero, for numbers that fit an int; but vectors can do it. Adding
/// a half would be wrong for 0.49999997.
int nearest_away(float value) {
  const int whole = static_cast<int>(value);
  const float rest = value - static_cast<float>(whole);
  return whole + static_cast<int>(rest >= 0.5f) - static_cast<int>(rest <= -0.5f);
}

// F16 scale, then 32 signed bytes.
void quantize_q8_0(std::span<const float> weights, std::span<std::byte> block) {
  float largest = 0;
  for (const float weight : weights) largest = std::max(largest, std::fabs(weight));
  const float scale = largest / 127;
  const float factor = inverse(scale);
  store_le(block.data(), to_half(scale));
  for (size_t i = 0; i < kSmallBlock; ++i) {
    block[2 + i] = low_byte(nearest_away(weights[i] * factor));
  }
}

// F16 scale, then 16 bytes of two quants each: element i low, element i + 16 high. The element
// that is largest by magnitude becomes -8.
void quantize_q4_0(std::span<const float> weights, std::span<std::byte> block) {
  float largest = 0;
  for (const float weight : weights) {
    if (std::fabs(weight) > std::fabs(largest)) largest = weight;
  }
  const float scale = largest / -8;
  store_le(block.data(), to_half(scale));
  const float factor = inverse(scale);
  const auto quant = [&](float weight) {
    return std::min(kQuantMax, static_cast<int>(weight * factor + 8.5f));
  };
  for (size_t i = 0; i < kSmallBlock / 2; ++i) {
    block[2 + i] = low_byte(quant(weights[i]) | quant(weights[i + kSmallBlock / 2]) << 4);
  }
}

/// Elements are scale * quant - minimum; both are at least 0.
struct SubBlock {
  float scale = 0;
  float minimum = 0;
};

/// The best scale and minimum for given quants, by weighted least squares, and their error.
struct Fit {
  SubBlock result;
  float error = 0;
};
Fit fit_quants(std::span<const float> weights, const float* importance, float step, float lowest) {
  float sum_w = 0, sum_x = 0, sum_l = 0, sum_l2 = 0, sum_xl = 0;
  std::array<float, kSmallBlock> quants;
  for (size_t i = 0; i < kSmallBlock; ++i) {
    const float quant = std::clamp(std::nearbyint(step * (weights[i] - lowest)), 0.0f, 15.0f);
    const float w = importance[i];
    quants[i] = quant;
    sum_w += w;
    sum_x += w * weights[i];
    sum_l += w * quant;
    sum_l2 += w * quant * quant;
    sum_xl += w * weights[i] * quant;
  }
  Fit fit;
  const float determinant = sum_w * sum_l2 - sum_l * sum_l;
  float offset = lowest;
  if (determinant > 0) {
    fit.result.scale = (sum_w * sum_xl - sum_x * sum_l) / determinant;
    offset = (sum_l2 * sum_x - sum_l * sum_xl) / determinant;
    if (offset > 0) {
      offset = 0;
      fit.result.scale = sum_xl / sum_l2;
    }
  }
  fit.result.minimum = -offset;
  for (size_t i = 0; i < kSmallBlock; ++i) {
    const float difference = fit.result.scale * quants[i] + offset - weights[i];
    fit.error += importance[i] * difference * difference;
  }
  return fit;
}

// ggml's make_qkx2_quants with its parameters for Q4_K: 21 candidates around range / 15.
SubBlock choose_sub_block(std::span<const float> weights) {
  constexpr int kSteps = 20;
  float square_sum = 0;
  for (const float weight : weights) square_sum += weight * weight;
  const float typical = std::sqrt(square_sum / kSmallBlock);
  std::array<float, kSmallBlock> importance;
  for (size_t i = 0; i < kSmallBlock; ++i) importance[i] = typical + std::fabs(weights[i]);
  const float lowest = std::min(0.0f, *std::ranges::min_element(weights));
  const float highest = *std::ranges::max_element(weights);
  if (highest <= lowest) return {.scale = 0, .minimum = -lowest};
  Fit best;
  for (int step = 0; step <= kSteps; ++step) {
    const float levels = static_cast<float>(kQuantMax) - 1 + 0.1f * static_cast<float>(step);
    const Fit fit = fit_quants(weights, importance.data(), levels / (highest - lowest), lowest);
    if (step == 0 || fit.error < best.error) best = fit;
  }
  return best.result;
}

// Six-bit scales and minima of eight sub-blocks in 12 bytes: the first four's as they are, their
// upper two bits filled with those of the last four, whose lower four bits have the last 4 bytes.
void pack_six_bits(const std::array<int, kSubBlockCount>& scales,
                   const std::array<int, kSubBlockCount>& minima, std::span<std::byte> packed) {
  for (size_t i = 0; i < 4; ++i) {
    packed[i] = low_byte(scales[i] | (scales[i + 4] >> 4) << 6);
    packed[i + 4] = low_byte(minima[i] | (minima[i + 4] >> 4) << 6);
    packed[i + 8] = low_byte((scales[i + 4] & 15) | (minima[i + 4] & 15) << 4);
  }
}

// F16 scale of scales and of minima, 12 bytes of those, then 128 bytes of two quants each.
void quantize_q4_k(std::span<const float> weights, std::span<std::byte> block) {
  std::array<SubBlock, kSubBlockCount> sub_blocks;
  SubBlock largest;
  for (size_t i = 0; i < kSubBlockCount; ++i) {
    sub_blocks[i] = choose_sub_block(weights.subspan(i * kSmallBlock, kSmallBlock));
    largest.scale = std::max(largest.scale, sub_blocks[i].scale);
    largest.minimum = std::max(largest.minimum, sub_blocks[i].minimum);
  }
  const uint16_t scale_unit = to_half(largest.scale / kScaleMax);
  const uint16_t minimum_unit = to_half(largest.minimum / kScaleMax);
  std::array<int, kSubBlockCount> scales;
  std::array<int, kSubBlockCount> minima;
  std::array<int, kSubBlockCount * kSmallBlock> quants;
  for (size_t i = 0; i < kSubBlockCount; ++i) {
    const auto six_bits = [](float value, float most) {
      return std::clamp(nearest(kScaleMax * inverse(most) * value), 0, kScaleMax);
    };
    scales[i] = six_bits(sub_blocks[i].scale, largest.scale);
    minima[i] = six_bits(sub_blocks[i].minimum, largest.minimum);
    const float scale = float_of_half(scale_unit) * static_cast<float>(scales[i]);
    const float minimum = float_of_half(minimum_unit) * static_cast<float>(minima[i]);
    for (size_t at = i * kSmallBlock; at < (i + 1) * kSmallBlock; ++at) {
      quants[at] = std::clamp(nearest((weights[at] + minimum) * inverse(scale)), 0, kQuantMax);
    }
  }
  store_le(block.data(), scale_unit);
  store_le(block.data() + 2, minimum_unit);
  pack_six_bits(scales, minima, block.subspan(4, 12));
  for (size_t i = 0; i < quants.size() / 2; ++i) {
    const size_t at = i / kSmallBlock * 2 * kSmallBlock + i % kSmallBlock;
    block[16 + i] = low_byte(quants[at] | quants[at + kSmallBlock] << 4);
  }
}

}  // namespace

void quantize_block(DType dtype, std::span<const float> weights, std::span<std::byte> block) {
  const DTypeInfo* info = find_dtype(dtype);
  QLOAD_ASSERT(info != nullptr && weights.size() == info->block_elements);
  QLOAD_ASSERT(block.size() == info->block_bytes);
  if (dtype == DType::kQ8_0) return quantize_q8_0(weights, block);
  if (dtype == DType::kQ4_0) return quantize_q4_0(weights, block);
  QLOAD_ASSERT(dtype == DType::kQ4_K);
  quantize_q4_k(weights, block);
}

}  // namespace qload::encode
