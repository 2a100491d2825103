// What a Llama model computes between its products.
#pragma once

#include <span>

namespace qload::qrun {

/// out[i] = in[i] * gain[i] / sqrt(mean(in^2) + epsilon). `out` may be `in`.
void rms_norm(std::span<const float> in, std::span<const float> gain, double epsilon,
              std::span<float> out);

/// gate[i] = silu(gate[i]) * up[i], where silu(x) = x / (1 + exp(-x)).
void silu_multiply(std::span<float> gate, std::span<const float> up);

/// values[i] += other[i].
void add(std::span<float> values, std::span<const float> other);

/// values[i] += factor * other[i].
void add_scaled(std::span<float> values, float factor, std::span<const float> other);

/// Turns scores into shares that sum to 1: exp(score - largest), divided by their sum.
void softmax(std::span<float> scores);

}  // namespace qload::qrun
