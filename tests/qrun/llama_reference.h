// A Llama's forward pass written as the formulas read: in double, without a cache, slowly.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tests/qrun/llama_fixture.h"

namespace qload::test {

/// The logits after the last of `tokens`. Rotates elements i and i + head_size / 2 together.
std::vector<double> reference_logits(const DenseLlama& llama, std::span<const uint32_t> tokens);

}  // namespace qload::test
