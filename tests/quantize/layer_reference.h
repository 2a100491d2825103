// One decoder layer of each architecture that smoothing knows, computed by its formulas in double
// arithmetic, from whatever weights a test gives it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/quantize/quantize_fixture.h"

namespace qload::test {

enum class LayerKind { kLlama, kOpt, kGpt2Transposed, kGpt2Linear };

struct LayerShape {
  LayerKind kind = LayerKind::kLlama;
  uint64_t heads = 4;
  uint64_t value_heads = 4;
  uint64_t head_size = 8;
  uint64_t feed_forward = 48;
  bool gelu = false;  ///< OPT's activation, as Galactica has it; else ReLU.
  uint64_t hidden() const { return heads * head_size; }
  /// What the names of the layer's tensors start with.
  std::string prefix() const;
};

/// Random weights of layer 0 with all biases that its kind has, some channels of the norms much
/// larger than the others, and the model's other tensors that tell its kind.
StoredModel make_layer(const LayerShape& shape, uint64_t seed);

using ActivationMap = std::map<std::string, std::vector<float>>;

/// The layer's output for a few fixed tokens. A tensor NAME_smooth divides the inputs of NAME.
/// Fills in the largest absolute inputs of each linear, by module, when `activations` is given.
std::vector<double> run_layer(const LayerShape& shape, const StoredModel& model,
                              ActivationMap* activations = nullptr);

}  // namespace qload::test
