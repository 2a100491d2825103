#include "bench/codec/synthetic_weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>

#include "format/base/assert.h"
#include "format/base/bytes.h"
#include "tools/encode/ggml_quantizers.h"
#include "tools/encode/half_float.h"

namespace qload::bench {
namespace {

// round(N(0, sigma)) has an entropy of log2(sigma) + 2.05 bits.
constexpr SyntheticWeights kSynthetic[] = {
    {"int8-4.2", "INT8, one scale for the tensor, 4.2 bits", DType::kI8, 1, 4.45, false},
    {"int8-5.0", "INT8, one scale for the tensor, 5.0 bits", DType::kI8, 2, 7.74, false},
    {"int8-5.5", "INT8, one scale for the tensor, 5.5 bits", DType::kI8, 3, 10.95, false},
    {"int8-channel", "INT8, a scale for each row, 6.9 bits", DType::kI8, 4, 28.9, true},
    {"bf16", "BF16, rows of log-normal scales", DType::kBF16, 5, 0, true},
    {"f16", "F16, rows of log-normal scales", DType::kF16, 6, 0, true},
    {"f32", "F32, rows of log-normal scales", DType::kF32, 7, 0, true},
    {"q8_0", "Q8_0 of such rows by ggml's rules", DType::kQ8_0, 8, 0, true},
    {"q4_0", "Q4_0 of such rows by ggml's rules", DType::kQ4_0, 9, 0, true},
    {"q4_k", "Q4_K of such rows by ggml's rules", DType::kQ4_K, 10, 0, true},
};

// Spread of a row's largest magnitude over its standard deviation, as ln: 4.4 here, 4.1 to 4.7.
constexpr double kRowSpread = 0.06;
// Scales of rows of trained layers: about 0.02, as ln 0.3 apart.
constexpr float kWeightScale = 0.02f;
constexpr float kWeightScaleSpread = 0.3f;

using Random = std::mt19937_64;

void make_int8_row(const SyntheticWeights& kind, Random& random, std::span<std::byte> row) {
  std::normal_distribution<double> normal(0.0, 1.0);
  const double sigma =
      kind.per_row ? kind.sigma * std::exp(kRowSpread * normal(random)) : kind.sigma;
  for (std::byte& byte : row) {
    const double value = std::clamp(std::nearbyint(sigma * normal(random)), -127.0, 127.0);
    byte = static_cast<std::byte>(static_cast<int8_t>(value));
  }
}

void make_float_row(Random& random, std::span<float> row) {
  std::normal_distribution<float> normal(0.0f, 1.0f);
  const float scale = kWeightScale * std::exp(kWeightScaleSpread * normal(random));
  for (float& value : row) value = scale * normal(random);
}

// The nearest BF16, ties to even, as frameworks convert.
uint16_t bf16_of(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

void convert_row(DType dtype, std::span<const float> row, std::span<std::byte> to) {
  const DTypeInfo& info = *find_dtype(dtype);
  for (size_t i = 0; i < row.size() / info.block_elements; ++i) {
    const auto block = to.subspan(i * info.block_bytes, info.block_bytes);
    if (dtype == DType::kF32) {
      store_le(block.data(), row[i]);
    } else if (dtype == DType::kBF16) {
      store_le(block.data(), bf16_of(row[i]));
    } else if (dtype == DType::kF16) {
      store_le(block.data(), encode::to_half(row[i]));
    } else {
      encode::quantize_block(dtype, row.subspan(i * info.block_elements, info.block_elements),
                             block);
    }
  }
}

}  // namespace

uint64_t SyntheticWeights::row_bytes() const {
  const DTypeInfo* info = find_dtype(dtype);
  QLOAD_ASSERT(info != nullptr);
  return kRowElements / info->block_elements * info->block_bytes;
}

std::vector<std::byte> SyntheticWeights::make(uint64_t row_count) const {
  Random random(seed);
  std::vector<std::byte> bytes(row_count * row_bytes());
  std::vector<float> floats(kRowElements);
  for (uint64_t i = 0; i < row_count; ++i) {
    const auto row = std::span(bytes).subspan(i * row_bytes(), row_bytes());
    if (dtype == DType::kI8) {
      make_int8_row(*this, random, row);
      continue;
    }
    make_float_row(random, floats);
    convert_row(dtype, floats, row);
  }
  return bytes;
}

std::span<const SyntheticWeights> all_synthetic_weights() { return kSynthetic; }

}  // namespace qload::bench
