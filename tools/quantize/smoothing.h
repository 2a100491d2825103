// SmoothQuant: factors for input channels that make activations easier to quantize and weights
// harder (the paper's equations 7 and 8).
#pragma once

#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include "qload/result.h"
#include "tools/quantize/activation_maxima.h"
#include "tools/quantize/smoothing_groups.h"
#include "tools/quantize/tensor_plan.h"

namespace qload::quantize {

/// s = activation^alpha / weight^(1 - alpha), held within [1e-5, 1e5]; 1 where either maximum is
/// 0, so that such a channel stays as it is. In double arithmetic, then rounded.
float smoothing_factor(float activation_max, float weight_max, double alpha);

struct SmoothingWork {
  const ModelSource& source;
  const ActivationMaxima& activations;
  std::span<const SmoothingGroup> groups;
  double alpha = 0.5;
  uint32_t threads = 1;
  std::function<void(uint64_t)> on_bytes;
  std::stop_token stop = {};
};

/// Reads the weights of all groups once and gives every plan its factors: consumers are multiplied
/// by s; what a group is folded into is divided by it, and becomes F32 where it is not quantized;
/// without a fold s goes to TensorPlan::smooth. Every s follows from the weights as they are in the
/// file. Errors of the activations name the weight.
Status smooth_plans(const SmoothingWork& work, std::span<TensorPlan> plans);

}  // namespace qload::quantize
