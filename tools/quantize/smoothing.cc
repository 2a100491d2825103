#include "tools/quantize/smoothing.h"

#include <algorithm>
#include <cmath>

#include "format/base/try.h"
#include "tools/quantize/weight_maxima.h"

namespace qload::quantize {
namespace {

// SmoothQuant's own lower bound (smooth.py), and its inverse: both keep floats far from their ends.
constexpr double kFactorMin = 1e-5;
constexpr double kFactorMax = 1e5;

/// Maxima of one group's channels: of the activations, and of all consumers' weights.
struct ChannelMaxima {
  std::vector<float> activations;
  std::vector<float> weights;
};

void raise_to(std::vector<float>& maxima, std::span<const float> values) {
  for (size_t i = 0; i < maxima.size(); ++i) maxima[i] = std::max(maxima[i], values[i]);
}

/// Channels that are folded into one have one factor: that of their common maxima.
void join_channels(const SmoothingGroup& group, std::vector<float>& maxima) {
  if (group.head_repeat == 1) return;
  std::vector<float> joined(maxima.size() / group.head_repeat);
  for (size_t i = 0; i < maxima.size(); ++i) {
    float& maximum = joined[group.folded_channel(i)];
    maximum = std::max(maximum, maxima[i]);
  }
  for (size_t i = 0; i < maxima.size(); ++i) maxima[i] = joined[group.folded_channel(i)];
}

/// The factors of `plan` along its input channels, or across them.
std::vector<float>& input_factors(TensorPlan& plan) {
  return plan.input_axis == InputAxis::kColumns ? plan.factors.columns : plan.factors.rows;
}
std::vector<float>& output_factors(TensorPlan& plan, bool is_vector) {
  if (is_vector) return plan.factors.columns;
  return plan.input_axis == InputAxis::kColumns ? plan.factors.rows : plan.factors.columns;
}
uint64_t output_channels(const TensorPlan& plan, bool is_vector) {
  if (is_vector) return plan.columns;
  return plan.input_axis == InputAxis::kColumns ? plan.rows : plan.columns;
}

/// A tensor whose weights change is no copy any more.
void convert_if_copied(TensorPlan& plan) {
  if (plan.is_quantized()) return;
  plan.treatment = Treatment::kConvert;
  plan.dtype = DType::kF32;
}

void fold_factors(const ModelSource& source, const SmoothingGroup& group,
                  std::span<const float> factors, std::span<TensorPlan> plans) {
  for (const SmoothingFold& fold : group.folds) {
    TensorPlan& plan = plans[fold.tensor];
    const bool is_vector = source.tensors()[plan.source].shape.size() == 1;
    std::vector<float>& out = output_factors(plan, is_vector);
    out.resize(output_channels(plan, is_vector), 1.0f);
    for (size_t i = 0; i < factors.size(); ++i) {
      out[fold.first + group.folded_channel(i)] = 1.0f / factors[i];
    }
    convert_if_copied(plan);
  }
}

void apply_group(const ModelSource& source, const SmoothingGroup& group,
                 const ChannelMaxima& maxima, double alpha, std::span<TensorPlan> plans) {
  std::vector<float> factors(group.channel_count);
  for (size_t i = 0; i < factors.size(); ++i) {
    factors[i] = smoothing_factor(maxima.activations[i], maxima.weights[i], alpha);
  }
  for (const uint32_t consumer : group.consumers) {
    TensorPlan& plan = plans[consumer];
    input_factors(plan) = factors;
    if (group.folds.empty()) plan.smooth = factors;
    convert_if_copied(plan);
  }
  fold_factors(source, group, factors, plans);
}

/// The largest weight of each input channel, for each consumer of each group.
Result<std::vector<std::vector<float>>> find_channel_maxima(const SmoothingWork& work,
                                                            std::span<const TensorPlan> plans) {
  std::vector<MaximaRequest> requests;
  for (const SmoothingGroup& group : work.groups) {
    for (const uint32_t consumer : group.consumers) {
      const TensorPlan& plan = plans[consumer];
      const bool by_columns = plan.input_axis == InputAxis::kColumns;
      requests.push_back(
          {plan.matrix(work.source), by_columns ? MaximaOf::kColumns : MaximaOf::kRows});
    }
  }
  return find_maxima(work.source, requests, work.threads, work.on_bytes, work.stop);
}

}  // namespace

float smoothing_factor(float activation_max, float weight_max, double alpha) {
  if (activation_max == 0 || weight_max == 0) return 1.0f;
  const double factor = std::pow(static_cast<double>(activation_max), alpha) /
                        std::pow(static_cast<double>(weight_max), 1 - alpha);
  return static_cast<float>(std::clamp(factor, kFactorMin, kFactorMax));
}

Status smooth_plans(const SmoothingWork& work, std::span<TensorPlan> plans) {
  std::vector<ChannelMaxima> maxima;
  for (const SmoothingGroup& group : work.groups) {
    ChannelMaxima& of_group = maxima.emplace_back();
    of_group.activations.resize(group.channel_count, 0.0f);
    of_group.weights.resize(group.channel_count, 0.0f);
    for (const uint32_t consumer : group.consumers) {
      const std::string& name = work.source.tensors()[plans[consumer].source].name;
      QLOAD_TRY(const std::vector<float> found, work.activations.find(name, group.channel_count));
      raise_to(of_group.activations, found);
    }
    join_channels(group, of_group.activations);
  }
  QLOAD_TRY(const auto weights, find_channel_maxima(work, plans));
  size_t next = 0;
  for (size_t i = 0; i < work.groups.size(); ++i) {
    for (size_t k = 0; k < work.groups[i].consumers.size(); ++k) {
      raise_to(maxima[i].weights, weights[next++]);
    }
    join_channels(work.groups[i], maxima[i].weights);
  }
  // After all maxima are known: a matrix may be consumer of one group and fold of another.
  for (size_t i = 0; i < work.groups.size(); ++i) {
    apply_group(work.source, work.groups[i], maxima[i], work.alpha, plans);
  }
  return Ok{};
}

}  // namespace qload::quantize
