// SmoothQuant's folds: the layer computes what it did (the paper's equation 7), with weights and
// activations that meet in the middle (equation 8).
#include "tools/quantize/smoothing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "format/input/model_source.h"
#include "tests/quantize/layer_reference.h"
#include "tools/quantize/weight_rows.h"

namespace qload::quantize {
namespace {

using test::ActivationMap;
using test::LayerKind;
using test::LayerShape;
using test::StoredModel;

constexpr double kAlpha = 0.5;

/// A layer before and after smoothing, both as floats.
class SmoothedLayer {
 public:
  SmoothedLayer(const LayerShape& shape, const StoredModel& model, const ConfigHints& hints,
                bool fold = true)
      : model_(model) {
    before_ = run_layer(shape, model, &activations_);
    write_model(path(), model);
    StoredModel vectors;
    for (const auto& [module, maxima] : activations_) {
      vectors.emplace(module, test::make_floats({maxima.size()}, maxima));
    }
    write_model(directory_ / "activations.safetensors", vectors);
    smooth(hints, fold);
    after_ = run_layer(shape, smoothed_);
  }

  std::filesystem::path path() const { return directory_ / "model.safetensors"; }
  const std::vector<double>& before() const { return before_; }
  const std::vector<double>& after() const { return after_; }
  const ActivationMap& activations() const { return activations_; }
  /// The weights multiplied by their factors, and the factors that are stored.
  StoredModel& smoothed() { return smoothed_; }
  const StoredModel& original() const { return model_; }

  /// Modules whose factors are stored, in order.
  std::vector<std::string> stored() const {
    std::vector<std::string> modules;
    for (const auto& [name, tensor] : smoothed_) {
      constexpr std::string_view kEnd = ".weight_smooth";
      if (name.ends_with(kEnd)) modules.push_back(name.substr(0, name.size() - kEnd.size()));
    }
    return modules;
  }

 private:
  void smooth(const ConfigHints& hints, bool fold) {
    const auto source = open_model_source(path(), OpenAs::kDetect);
    ASSERT_TRUE(source.ok());
    const QuantizeOptions options = {.scheme = Scheme::kSmoothQuant};
    auto plans = plan_tensors(*source, options);
    ASSERT_TRUE(plans.ok());
    const auto activations = ActivationMaxima::open(directory_ / "activations.safetensors");
    ASSERT_TRUE(activations.ok());
    const TensorTable table(source->tensors());
    const auto groups = find_smoothing_groups(table, *plans, hints, fold);
    const SmoothingWork work = {.source = *source,
                                .activations = *activations,
                                .groups = groups,
                                .alpha = kAlpha,
                                .threads = 2,
                                .on_bytes = [](uint64_t) {}};
    const Status status = smooth_plans(work, *plans);
    ASSERT_TRUE(status.ok()) << status.error().message();
    for (const TensorPlan& plan : *plans) take(*source, plan);
  }

  void take(const ModelSource& source, const TensorPlan& plan) {
    const SourceTensor& tensor = source.tensors()[plan.source];
    RowBuffer rows;
    ASSERT_TRUE(read_rows(source, plan.matrix(source), {0, plan.rows}, rows).ok());
    // A tensor that is copied must not need factors.
    EXPECT_TRUE(plan.treatment != Treatment::kCopy || !plan.factors.any()) << tensor.name;
    smoothed_.emplace(tensor.name, test::make_floats(tensor.shape, rows.values));
    if (!plan.smooth.empty()) {
      smoothed_.emplace(tensor.name + "_smooth",
                        test::make_floats({plan.smooth.size()}, plan.smooth));
    }
  }

  test::TempDirectory directory_;
  StoredModel model_;
  StoredModel smoothed_;
  ActivationMap activations_;
  std::vector<double> before_;
  std::vector<double> after_;
};

/// The largest difference, by the largest value.
double difference(const std::vector<double>& a, const std::vector<double>& b) {
  double largest = 0;
  double apart = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(std::isfinite(a[i]) && std::isfinite(b[i])) << i;
    largest = std::max(largest, std::fabs(a[i]));
    apart = std::max(apart, std::fabs(a[i] - b[i]));
  }
  return apart / largest;
}

// Weights are floats: products of a few dozen differ by some 2^-24 each.
constexpr double kSame = 2e-6;

void expect_same(SmoothedLayer& layer) {
  ASSERT_EQ(layer.before().size(), layer.after().size());
  EXPECT_LT(difference(layer.before(), layer.after()), kSame);
}

/// The test can fail: with any one tensor as it was, the layer computes something else. Returns how
/// many tensors smoothing changed.
size_t expect_each_change_counts(const LayerShape& shape, SmoothedLayer& layer) {
  size_t changed = 0;
  for (const auto& [name, tensor] : layer.original()) {
    const StoredModel& smoothed = layer.smoothed();
    if (smoothed.at(name).floats() == tensor.floats()) continue;
    ++changed;
    StoredModel damaged = smoothed;
    damaged[name] = tensor;
    EXPECT_GT(difference(layer.before(), run_layer(shape, damaged)), 100 * kSame) << name;
  }
  return changed;
}

/// Equation 8: the weights of `module`, one of the `consumers` of an input and not folded into
/// itself, were multiplied by sqrt(activation / weight), the largest weight being that of all
/// consumers.
void expect_equation_8(SmoothedLayer& layer, const std::vector<std::string>& consumers,
                       const std::string& module) {
  const std::vector<float>& activations = layer.activations().at(module);
  const std::vector<float> before = layer.original().at(module + ".weight").floats();
  const std::vector<float> after = layer.smoothed().at(module + ".weight").floats();
  for (size_t channel = 0; channel < activations.size(); ++channel) {
    double largest = 0;
    for (const std::string& consumer : consumers) {
      const std::vector<float> weights = layer.original().at(consumer + ".weight").floats();
      for (size_t i = channel; i < weights.size(); i += activations.size()) {
        largest = std::max(largest, std::fabs(static_cast<double>(weights[i])));
      }
    }
    const double factor = std::sqrt(activations[channel] / largest);
    for (size_t i = channel; i < before.size(); i += activations.size()) {
      EXPECT_NEAR(after[i], before[i] * factor, 1e-6 * std::fabs(before[i] * factor)) << module;
    }
  }
}

TEST(SmoothingFolds, Llama) {
  const LayerShape shape = {.kind = LayerKind::kLlama};
  SmoothedLayer layer(shape, make_layer(shape, 1), {});
  EXPECT_TRUE(layer.stored().empty());
  expect_same(layer);
  // 2 norms, 7 matrices, the biases of v and up.
  EXPECT_EQ(expect_each_change_counts(shape, layer), 11u);
  const std::string p = shape.prefix();
  const std::string attention = p + "self_attn.";
  const std::vector<std::string> inputs = {attention + "q_proj", attention + "k_proj",
                                           attention + "v_proj"};
  expect_equation_8(layer, inputs, attention + "q_proj");
  expect_equation_8(layer, inputs, attention + "k_proj");
  expect_equation_8(layer, {p + "mlp.gate_proj", p + "mlp.up_proj"}, p + "mlp.gate_proj");
  expect_equation_8(layer, {p + "mlp.down_proj"}, p + "mlp.down_proj");
}

TEST(SmoothingFolds, LlamaGroupedQueries) {
  const LayerShape shape = {.kind = LayerKind::kLlama, .heads = 8, .value_heads = 2};
  SmoothedLayer layer(shape, make_layer(shape, 2), {.head_size = shape.head_size});
  EXPECT_TRUE(layer.stored().empty());
  expect_same(layer);
  EXPECT_EQ(expect_each_change_counts(shape, layer), 11u);
}

/// Without the size of a head nobody knows which channel is which.
TEST(SmoothingFolds, LlamaGroupedQueriesOfUnknownSize) {
  const LayerShape shape = {.kind = LayerKind::kLlama, .heads = 8, .value_heads = 2};
  SmoothedLayer layer(shape, make_layer(shape, 2), {});
  EXPECT_EQ(layer.stored(), std::vector<std::string>{shape.prefix() + "self_attn.o_proj"});
  expect_same(layer);
}

TEST(SmoothingFolds, Opt) {
  const LayerShape shape = {.kind = LayerKind::kOpt};
  SmoothedLayer layer(shape, make_layer(shape, 3), {.model_type = "opt"});
  EXPECT_TRUE(layer.stored().empty());
  expect_same(layer);
  // 2 norms with biases, 6 matrices, the biases of v and fc1.
  EXPECT_EQ(expect_each_change_counts(shape, layer), 12u);
}

/// Only ReLU lets factors through.
TEST(SmoothingFolds, OptWithGelu) {
  const LayerShape shape = {.kind = LayerKind::kOpt, .gelu = true};
  SmoothedLayer layer(shape, make_layer(shape, 4), {.model_type = "opt", .activation = "gelu"});
  EXPECT_EQ(layer.stored(), std::vector<std::string>{shape.prefix() + "fc2"});
  expect_same(layer);
}

TEST(SmoothingFolds, Gpt2) {
  for (const LayerKind kind : {LayerKind::kGpt2Transposed, LayerKind::kGpt2Linear}) {
    const LayerShape shape = {.kind = kind};
    SmoothedLayer layer(shape, make_layer(shape, 5), {.model_type = "gpt2"});
    EXPECT_EQ(layer.stored(), std::vector<std::string>{shape.prefix() + "mlp.c_proj"});
    expect_same(layer);
    // 2 norms with biases, 4 matrices, the bias of c_attn.
    EXPECT_EQ(expect_each_change_counts(shape, layer), 9u);
  }
}

TEST(SmoothingFolds, NotWanted) {
  for (const LayerKind kind : {LayerKind::kLlama, LayerKind::kOpt, LayerKind::kGpt2Transposed}) {
    const LayerShape shape = {.kind = kind};
    SmoothedLayer layer(shape, make_layer(shape, 6), {}, false);
    EXPECT_GE(layer.stored().size(), 4u);
    expect_same(layer);
  }
}

/// Same names, other layers: everything is stored, nothing folded.
TEST(SmoothingFolds, NamesThatMeanSomethingElse) {
  const LayerShape llama = {.kind = LayerKind::kLlama};
  const LayerShape opt = {.kind = LayerKind::kOpt};
  StoredModel gemma2 = make_layer(llama, 7);
  gemma2.emplace("model.layers.0.pre_feedforward_layernorm.weight",
                 test::random_floats({llama.hidden()}, 1));
  StoredModel bart = make_layer(opt, 8);
  bart.emplace("model.decoder.layers.0.encoder_attn.q_proj.weight", test::random_floats({8, 8}, 1));
  StoredModel late_norms = make_layer(opt, 9);  // OPT-350m
  late_norms.erase("model.decoder.final_layer_norm.weight");
  struct Case {
    const char* name;
    const LayerShape& shape;
    const StoredModel& model;
    ConfigHints hints;
    size_t linears;
  };
  for (const Case& c : {Case{"Gemma 2", llama, gemma2, {}, 7}, Case{"BART", opt, bart, {}, 6},
                        Case{"OPT-350m", opt, late_norms, {}, 6},
                        Case{"Gemma", llama, make_layer(llama, 10), {.model_type = "gemma"}, 7}}) {
    SCOPED_TRACE(c.name);
    SmoothedLayer layer(c.shape, c.model, c.hints);
    EXPECT_EQ(layer.stored().size(), c.linears);
    expect_same(layer);
  }
}

/// A matrix too small to be quantized shares the input of others: it is smoothed with them.
TEST(SmoothingFolds, SmallMatrices) {
  const LayerShape shape = {.kind = LayerKind::kLlama, .heads = 4, .value_heads = 1};
  SmoothedLayer layer(shape, make_layer(shape, 11), {.head_size = shape.head_size});
  EXPECT_TRUE(layer.stored().empty());
  expect_same(layer);
}

TEST(SmoothingFactor, Bounds) {
  EXPECT_EQ(smoothing_factor(4, 1, 0.5), 2.0f);
  EXPECT_EQ(smoothing_factor(9, 4, 0.5), 1.5f);
  EXPECT_EQ(smoothing_factor(8, 4, 1), 8.0f);
  EXPECT_EQ(smoothing_factor(8, 4, 0), 0.25f);
  EXPECT_EQ(smoothing_factor(0, 4, 0.5), 1.0f);
  EXPECT_EQ(smoothing_factor(8, 0, 0), 1.0f);
  EXPECT_EQ(smoothing_factor(1e30f, 1e-30f, 0.5), 1e5f);
  EXPECT_EQ(smoothing_factor(1e-30f, 1e30f, 0.5), 1e-5f);
}

}  // namespace
}  // namespace qload::quantize
