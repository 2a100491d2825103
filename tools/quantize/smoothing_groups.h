// Who shares an input, and where the inverse of its smoothing factors can go.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tools/quantize/config_hints.h"
#include "tools/quantize/model_layers.h"
#include "tools/quantize/tensor_plan.h"

namespace qload::quantize {

/// A tensor that what is smoothed comes out of: channel c of the input is its output channel
/// `first` + c. Rows of a Linear, columns of a Conv1D, elements of a norm or bias.
struct SmoothingFold {
  uint32_t tensor = 0;
  uint64_t first = 0;
};

/// Matrices with one input, smoothed together.
struct SmoothingGroup {
  std::vector<uint32_t> consumers;  ///< Numbers of plans.
  uint64_t channel_count = 0;       ///< Of their input.
  /// What divides by the factors; empty: the factors are stored with each consumer.
  std::vector<SmoothingFold> folds;
  /// Query heads that attend to one value head (grouped-query attention): channels of the folded
  /// tensors come so often in the input, a head at a time. 1 everywhere else.
  uint64_t head_repeat = 1;
  uint64_t head_size = 1;  ///< Channels of a head; of no matter when head_repeat is 1.

  /// The channel of the folded tensors that channel `channel` of the input is.
  uint64_t folded_channel(uint64_t channel) const {
    if (head_repeat == 1) return channel;
    return channel / head_size / head_repeat * head_size + channel % head_size;
  }
};

/// Groups of all linears in `plans` that are quantized; each is in exactly one. With `fold`, those
/// of known architectures (model_layers.h) that `hints` does not contradict are joined, and folded.
/// Embeddings and heads are in none.
std::vector<SmoothingGroup> find_smoothing_groups(const TensorTable& tensors,
                                                  std::span<const TensorPlan> plans,
                                                  const ConfigHints& hints, bool fold);

}  // namespace qload::quantize
