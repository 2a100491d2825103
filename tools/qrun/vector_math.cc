#include "tools/qrun/vector_math.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace qload::qrun {

void rms_norm(std::span<const float> in, std::span<const float> gain, double epsilon,
              std::span<float> out) {
  double squares = 0;
  for (const float value : in) squares += static_cast<double>(value) * value;
  const auto factor =
      static_cast<float>(1 / std::sqrt(squares / static_cast<double>(in.size()) + epsilon));
  for (size_t i = 0; i < out.size(); ++i) out[i] = in[i] * factor * gain[i];
}

void silu_multiply(std::span<float> gate, std::span<const float> up) {
  for (size_t i = 0; i < gate.size(); ++i) {
    gate[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
  }
}

void add(std::span<float> values, std::span<const float> other) {
  for (size_t i = 0; i < values.size(); ++i) values[i] += other[i];
}

void add_scaled(std::span<float> values, float factor, std::span<const float> other) {
  for (size_t i = 0; i < values.size(); ++i) values[i] += factor * other[i];
}

void softmax(std::span<float> scores) {
  const float largest = *std::ranges::max_element(scores);
  float sum = 0;
  for (float& score : scores) {
    score = std::exp(score - largest);
    sum += score;
  }
  for (float& score : scores) score /= sum;
}

}  // namespace qload::qrun
