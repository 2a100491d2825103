#include "tests/quantize/layer_reference.h"

#include <algorithm>
#include <cmath>

namespace qload::test {
namespace {

using Vector = std::vector<double>;
using Matrix = std::vector<Vector>;  // One vector for each token.

constexpr uint64_t kTokenCount = 5;

Vector to_doubles(const std::vector<float>& values) { return {values.begin(), values.end()}; }

/// Runs one layer over all tokens.
class Layer {
 public:
  Layer(const LayerShape& shape, const StoredModel& model, ActivationMap* activations)
      : shape_(shape), model_(model), activations_(activations) {}

  Matrix run(const Matrix& input) {
    switch (shape_.kind) {
      case LayerKind::kLlama:
        return run_llama(input);
      case LayerKind::kOpt:
        return run_opt(input);
      default:
        return run_gpt2(input);
    }
  }

 private:
  Matrix run_llama(Matrix x) {
    const std::string p = shape_.prefix();
    Matrix h = norm(x, p + "input_layernorm", false);
    const Matrix mixed =
        attend(linear(h, p + "self_attn.q_proj"), linear(h, p + "self_attn.k_proj"),
               linear(h, p + "self_attn.v_proj"));
    x = sum(x, linear(mixed, p + "self_attn.o_proj"));
    h = norm(x, p + "post_attention_layernorm", false);
    Matrix gate = linear(h, p + "mlp.gate_proj");
    const Matrix up = linear(h, p + "mlp.up_proj");
    for (size_t t = 0; t < gate.size(); ++t) {
      for (size_t i = 0; i < gate[t].size(); ++i) {
        gate[t][i] = gate[t][i] / (1 + std::exp(-gate[t][i])) * up[t][i];
      }
    }
    return sum(x, linear(gate, p + "mlp.down_proj"));
  }

  Matrix run_opt(Matrix x) {
    const std::string p = shape_.prefix();
    Matrix h = norm(x, p + "self_attn_layer_norm", true);
    const Matrix mixed =
        attend(linear(h, p + "self_attn.q_proj"), linear(h, p + "self_attn.k_proj"),
               linear(h, p + "self_attn.v_proj"));
    x = sum(x, linear(mixed, p + "self_attn.out_proj"));
    h = activate(linear(norm(x, p + "final_layer_norm", true), p + "fc1"), shape_.gelu);
    return sum(x, linear(h, p + "fc2"));
  }

  Matrix run_gpt2(Matrix x) {
    const std::string p = shape_.prefix();
    const Matrix all = linear(norm(x, p + "ln_1", true), p + "attn.c_attn");
    const auto third = [&](size_t number) {
      Matrix out;
      const auto size = static_cast<std::ptrdiff_t>(shape_.hidden());
      for (const Vector& token : all) {
        const auto begin = token.begin() + static_cast<std::ptrdiff_t>(number) * size;
        out.emplace_back(begin, begin + size);
      }
      return out;
    };
    x = sum(x, linear(attend(third(0), third(1), third(2)), p + "attn.c_proj"));
    const Matrix h = activate(linear(norm(x, p + "ln_2", true), p + "mlp.c_fc"), true);
    return sum(x, linear(h, p + "mlp.c_proj"));
  }

  static Matrix sum(Matrix a, const Matrix& b) {
    for (size_t t = 0; t < a.size(); ++t) {
      for (size_t i = 0; i < a[t].size(); ++i) a[t][i] += b[t][i];
    }
    return a;
  }

  static Matrix activate(Matrix x, bool gelu) {
    for (Vector& token : x) {
      for (double& value : token) {
        value = gelu ? value * 0.5 * (1 + std::erf(value / std::sqrt(2.0))) : std::max(0.0, value);
      }
    }
    return x;
  }

  Vector find(const std::string& name) const {
    const auto found = model_.find(name);
    return found == model_.end() ? Vector() : to_doubles(found->second.floats());
  }

  Matrix norm(Matrix x, const std::string& module, bool centred) const {
    const Vector weight = find(module + ".weight");
    const Vector bias = find(module + ".bias");
    for (Vector& token : x) {
      double mean = 0;
      for (const double value : token) mean += value / static_cast<double>(token.size());
      if (!centred) mean = 0;
      double square = 0;
      for (const double value : token) square += (value - mean) * (value - mean);
      const double scale = 1 / std::sqrt(square / static_cast<double>(token.size()) + 1e-5);
      for (size_t i = 0; i < token.size(); ++i) {
        token[i] = (token[i] - mean) * scale * weight[i] + (bias.empty() ? 0 : bias[i]);
      }
    }
    return x;
  }

  Matrix linear(Matrix x, const std::string& module) {
    note_inputs(x, module);
    const StoredTensor& tensor = model_.at(module + ".weight");
    const Vector weight = to_doubles(tensor.floats());
    const Vector bias = find(module + ".bias");
    const Vector smooth = find(module + ".weight_smooth");
    const bool transposed = shape_.kind == LayerKind::kGpt2Transposed;
    const uint64_t outputs = tensor.shape[transposed ? 1 : 0];
    Matrix out;
    for (Vector& token : x) {
      for (size_t i = 0; i < smooth.size(); ++i) token[i] /= smooth[i];
      Vector& result = out.emplace_back(outputs);
      for (uint64_t o = 0; o < outputs; ++o) {
        for (uint64_t i = 0; i < token.size(); ++i) {
          result[o] += token[i] * weight[transposed ? i * outputs + o : o * token.size() + i];
        }
        if (!bias.empty()) result[o] += bias[o];
      }
    }
    return out;
  }

  void note_inputs(const Matrix& x, const std::string& module) {
    if (activations_ == nullptr) return;
    std::vector<float>& maxima = (*activations_)[module];
    maxima.resize(x[0].size());
    for (const Vector& token : x) {
      for (size_t i = 0; i < token.size(); ++i) {
        maxima[i] = std::max(maxima[i], static_cast<float>(std::fabs(token[i])));
      }
    }
  }

  /// Causal attention without positions.
  Matrix attend(const Matrix& q, const Matrix& k, const Matrix& v) const {
    const uint64_t size = shape_.head_size;
    Matrix out(q.size(), Vector(shape_.hidden()));
    for (uint64_t head = 0; head < shape_.heads; ++head) {
      const uint64_t shared = head / (shape_.heads / shape_.value_heads);
      for (size_t t = 0; t < q.size(); ++t) {
        Vector shares;
        for (size_t s = 0; s <= t; ++s) {
          double product = 0;
          for (uint64_t i = 0; i < size; ++i) {
            product += q[t][head * size + i] * k[s][shared * size + i];
          }
          shares.push_back(product / std::sqrt(static_cast<double>(size)));
        }
        const double largest = *std::ranges::max_element(shares);
        double total = 0;
        for (double& share : shares) total += share = std::exp(share - largest);
        for (size_t s = 0; s <= t; ++s) {
          for (uint64_t i = 0; i < size; ++i) {
            out[t][head * size + i] += shares[s] / total * v[s][shared * size + i];
          }
        }
      }
    }
    return out;
  }

  const LayerShape& shape_;
  const StoredModel& model_;
  ActivationMap* activations_;
};

/// Adds random weights, each from a seed of its own.
class WeightMaker {
 public:
  WeightMaker(StoredModel& model, uint64_t seed) : model_(model), seed_(seed) {}

  void linear(const std::string& module, uint64_t outputs, uint64_t inputs, bool transposed) {
    const std::vector<uint64_t> shape =
        transposed ? std::vector{inputs, outputs} : std::vector{outputs, inputs};
    add(module + ".weight", random_floats(shape, ++seed_, 0.2f));
    add(module + ".bias", random_floats({outputs}, ++seed_, 0.1f));
  }

  /// Every seventh channel is 20 times as large.
  void norm(const std::string& module, uint64_t size, bool has_bias) {
    std::vector<float> values = random_floats({size}, ++seed_, 0.1f).floats();
    for (size_t i = 0; i < values.size(); ++i) values[i] = (values[i] + 1) * (i % 7 == 3 ? 20 : 1);
    add(module + ".weight", make_floats({size}, values));
    if (has_bias) add(module + ".bias", random_floats({size}, ++seed_, 0.2f));
  }

 private:
  void add(const std::string& name, StoredTensor tensor) {
    model_.emplace(name, std::move(tensor));
  }
  StoredModel& model_;
  uint64_t seed_;
};

}  // namespace

std::string LayerShape::prefix() const {
  if (kind == LayerKind::kLlama) return "model.layers.0.";
  return kind == LayerKind::kOpt ? "model.decoder.layers.0." : "transformer.h.0.";
}

StoredModel make_layer(const LayerShape& shape, uint64_t seed) {
  StoredModel model;
  WeightMaker make(model, 1000 * seed);
  const std::string p = shape.prefix();
  const uint64_t n = shape.hidden();
  const uint64_t values = shape.value_heads * shape.head_size;
  if (shape.kind == LayerKind::kLlama) {
    make.norm(p + "input_layernorm", n, false);
    make.norm(p + "post_attention_layernorm", n, false);
    make.linear(p + "self_attn.q_proj", n, n, false);
    make.linear(p + "self_attn.k_proj", values, n, false);
    make.linear(p + "self_attn.v_proj", values, n, false);
    make.linear(p + "self_attn.o_proj", n, n, false);
    make.linear(p + "mlp.gate_proj", shape.feed_forward, n, false);
    make.linear(p + "mlp.up_proj", shape.feed_forward, n, false);
    make.linear(p + "mlp.down_proj", n, shape.feed_forward, false);
  } else if (shape.kind == LayerKind::kOpt) {
    make.norm(p + "self_attn_layer_norm", n, true);
    make.norm(p + "final_layer_norm", n, true);
    make.norm("model.decoder.final_layer_norm", n, true);
    for (const char* module : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
      make.linear(p + "self_attn." + module, n, n, false);
    }
    make.linear(p + "fc1", shape.feed_forward, n, false);
    make.linear(p + "fc2", n, shape.feed_forward, false);
  } else {
    const bool transposed = shape.kind == LayerKind::kGpt2Transposed;
    make.norm(p + "ln_1", n, true);
    make.norm(p + "ln_2", n, true);
    make.linear(p + "attn.c_attn", 3 * n, n, transposed);
    make.linear(p + "attn.c_proj", n, n, transposed);
    make.linear(p + "mlp.c_fc", shape.feed_forward, n, transposed);
    make.linear(p + "mlp.c_proj", n, shape.feed_forward, transposed);
  }
  return model;
}

std::vector<double> run_layer(const LayerShape& shape, const StoredModel& model,
                              ActivationMap* activations) {
  const Vector tokens = to_doubles(random_floats({kTokenCount, shape.hidden()}, 77).floats());
  Matrix input;
  for (uint64_t t = 0; t < kTokenCount; ++t) {
    const auto begin = tokens.begin() + static_cast<std::ptrdiff_t>(t * shape.hidden());
    input.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(shape.hidden()));
  }
  std::vector<double> out;
  for (const Vector& token : Layer(shape, model, activations).run(input)) {
    out.insert(out.end(), token.begin(), token.end());
  }
  return out;
}

}  // namespace qload::test
