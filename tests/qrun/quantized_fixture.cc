#include "tests/qrun/quantized_fixture.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <span>
#include <vector>

#include "format/base/bytes.h"
#include "tools/encode/half_float.h"

namespace qload::test {
namespace {

template <class Number>
std::vector<std::byte> bytes_of(const std::vector<Number>& numbers) {
  const auto bytes = std::as_bytes(std::span(numbers));
  return {bytes.begin(), bytes.end()};
}

/// change(tensor, dense weights of it), for each matrix.
void for_each_matrix(LlamaFixture& llama,
                     const std::function<void(EncodedTensor&, std::vector<double>&)>& change) {
  for (EncodedTensor& tensor : llama.tensors) {
    if (tensor.rows != 0) change(tensor, llama.dense.weights.at(tensor.name));
  }
}

}  // namespace

void add_smoothing(LlamaFixture& llama, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> divisor(0.25f, 4.0f);
  for_each_matrix(llama, [&](EncodedTensor& tensor, std::vector<double>& dense) {
    std::vector<float> smooth(tensor.columns);
    for (float& value : smooth) value = divisor(random);
    for (size_t i = 0; i < dense.size(); ++i) dense[i] /= smooth[i % tensor.columns];
    tensor.companions.push_back({"_smooth", "F32", {tensor.columns}, bytes_of(smooth)});
  });
}

void use_column_scales(LlamaFixture& llama, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<float> share(0.5f, 2.0f);
  for_each_matrix(llama, [&](EncodedTensor& tensor, std::vector<double>& dense) {
    const float first = tensor.scales.front();
    tensor.scales.resize(tensor.columns);
    for (float& scale : tensor.scales) scale = first * share(random);
    tensor.scale_shape = {1, tensor.columns};
    for (size_t i = 0; i < dense.size(); ++i) {
      dense[i] = static_cast<double>(tensor.scales[i % tensor.columns]) *
                 load_le<int8_t>(tensor.bytes.data() + i);
    }
  });
}

void add_outlier_columns(LlamaFixture& llama, uint64_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  for_each_matrix(llama, [&](EncodedTensor& tensor, std::vector<double>& dense) {
    std::vector<int32_t> columns(tensor.columns);
    for (size_t i = 0; i < columns.size(); ++i) columns[i] = static_cast<int32_t>(i);
    std::ranges::shuffle(columns, random);
    columns.resize(count);
    std::ranges::sort(columns);
    std::normal_distribution<float> normal(
        0, kOutlierWeight / std::sqrt(static_cast<float>(tensor.columns)));
    std::vector<uint16_t> halves;
    for (uint64_t row = 0; row < tensor.rows; ++row) {
      for (const int32_t column : columns) {
        const uint64_t place = row * tensor.columns + static_cast<uint64_t>(column);
        halves.push_back(encode::to_half(normal(random)));
        tensor.bytes[place] = std::byte{0};
        dense[place] = encode::float_of_half(halves.back());
      }
    }
    tensor.companions.push_back({"_outliers", "F16", {tensor.rows, count}, bytes_of(halves)});
    tensor.companions.push_back({"_outlier_columns", "I32", {count}, bytes_of(columns)});
  });
}

}  // namespace qload::test
