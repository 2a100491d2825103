#include "tests/qrun/llama_reference.h"

#include <cmath>
#include <string>

namespace qload::test {
namespace {

using Vector = std::vector<double>;

Vector multiply(const Vector& matrix, const Vector& x) {
  Vector out(matrix.size() / x.size());
  for (size_t row = 0; row < out.size(); ++row) {
    for (size_t i = 0; i < x.size(); ++i) out[row] += matrix[row * x.size() + i] * x[i];
  }
  return out;
}

Vector normalise(const Vector& x, const Vector& gain, double epsilon) {
  double squares = 0;
  for (const double value : x) squares += value * value;
  const double root = std::sqrt(squares / static_cast<double>(x.size()) + epsilon);
  Vector out(x.size());
  for (size_t i = 0; i < x.size(); ++i) out[i] = x[i] / root * gain[i];
  return out;
}

void rotate(Vector& heads, size_t head_size, size_t position, double base) {
  for (size_t head = 0; head < heads.size(); head += head_size) {
    for (size_t i = 0; i < head_size / 2; ++i) {
      const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(head_size);
      const double angle = static_cast<double>(position) / std::pow(base, exponent);
      const double x = heads[head + i];
      const double y = heads[head + i + head_size / 2];
      heads[head + i] = x * std::cos(angle) - y * std::sin(angle);
      heads[head + i + head_size / 2] = y * std::cos(angle) + x * std::sin(angle);
    }
  }
}

void add(Vector& x, const Vector& y) {
  for (size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

/// Attention of the query at position t over positions 0 to t.
Vector attend(const DenseLlama& llama, size_t t, const std::vector<Vector>& queries,
              const std::vector<Vector>& keys, const std::vector<Vector>& values) {
  const size_t size = llama.head_size;
  Vector out(llama.heads * size);
  for (size_t head = 0; head < llama.heads; ++head) {
    const size_t shared = head * llama.key_value_heads / llama.heads;
    Vector share(t + 1);
    double sum = 0;
    for (size_t s = 0; s <= t; ++s) {
      double score = 0;
      for (size_t i = 0; i < size; ++i)
        score += queries[t][head * size + i] * keys[s][shared * size + i];
      share[s] = std::exp(score / std::sqrt(static_cast<double>(size)));
      sum += share[s];
    }
    for (size_t s = 0; s <= t; ++s) {
      for (size_t i = 0; i < size; ++i) {
        out[head * size + i] += share[s] / sum * values[s][shared * size + i];
      }
    }
  }
  return out;
}

}  // namespace

ReferenceRun run_reference(const DenseLlama& llama, std::span<const uint32_t> tokens,
                           const InputChange& change) {
  ReferenceRun run;
  const auto& w = llama.weights;
  const auto linear = [&](const std::string& module, Vector x) {
    run.inputs[module].push_back(x);
    if (change) change(module, x);
    const bool is_tied_output = module == "lm_head" && llama.tied;
    return multiply(w.at(is_tied_output ? "model.embed_tokens.weight" : module + ".weight"), x);
  };
  const Vector& embedding = w.at("model.embed_tokens.weight");
  std::vector<Vector> hidden;
  for (const uint32_t token : tokens) {
    const auto row = embedding.begin() + static_cast<std::ptrdiff_t>(token) * llama.hidden;
    hidden.emplace_back(row, row + llama.hidden);
  }
  for (uint32_t layer = 0; layer < llama.layers; ++layer) {
    const std::string name = "model.layers." + std::to_string(layer) + ".";
    std::vector<Vector> queries, keys, values;
    for (size_t t = 0; t < hidden.size(); ++t) {
      const Vector x = normalise(hidden[t], w.at(name + "input_layernorm.weight"), llama.epsilon);
      queries.push_back(linear(name + "self_attn.q_proj", x));
      keys.push_back(linear(name + "self_attn.k_proj", x));
      values.push_back(linear(name + "self_attn.v_proj", x));
      rotate(queries[t], llama.head_size, t, llama.rope_base);
      rotate(keys[t], llama.head_size, t, llama.rope_base);
    }
    for (size_t t = 0; t < hidden.size(); ++t) {
      add(hidden[t], linear(name + "self_attn.o_proj", attend(llama, t, queries, keys, values)));
      const Vector x =
          normalise(hidden[t], w.at(name + "post_attention_layernorm.weight"), llama.epsilon);
      Vector gate = linear(name + "mlp.gate_proj", x);
      const Vector up = linear(name + "mlp.up_proj", x);
      for (size_t i = 0; i < gate.size(); ++i) gate[i] *= up[i] / (1 + std::exp(-gate[i]));
      add(hidden[t], linear(name + "mlp.down_proj", gate));
    }
  }
  for (const Vector& x : hidden) {
    run.logits.push_back(linear("lm_head", normalise(x, w.at("model.norm.weight"), llama.epsilon)));
  }
  return run;
}

std::vector<double> reference_logits(const DenseLlama& llama, std::span<const uint32_t> tokens) {
  return run_reference(llama, tokens).logits.back();
}

}  // namespace qload::test
