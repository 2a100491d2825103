// A Llama's forward pass written as the formulas read: in double, without a cache, slowly.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tests/qrun/llama_fixture.h"

namespace qload::test {

/// Changes the input of a linear, named as transformers does ("lm_head"), before it is multiplied.
using InputChange = std::function<void(const std::string& module, std::vector<double>& input)>;

struct ReferenceRun {
  std::vector<std::vector<double>> logits;  ///< After each token.
  /// Of each linear, its input for each token, unchanged.
  std::map<std::string, std::vector<std::vector<double>>> inputs;
};

/// Runs `tokens`. Rotates elements i and i + head_size / 2 together.
ReferenceRun run_reference(const DenseLlama& llama, std::span<const uint32_t> tokens,
                           const InputChange& change = {});

/// The logits after the last of `tokens`.
std::vector<double> reference_logits(const DenseLlama& llama, std::span<const uint32_t> tokens);

}  // namespace qload::test
