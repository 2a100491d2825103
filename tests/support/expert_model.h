// A small mixture of experts, packed, with its bytes at hand.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/support/packed_model.h"

namespace qload::test {

struct ExpertModelShape {
  uint32_t layers = 8;
  uint32_t experts = 64;
  uint64_t tensor_bytes = 3000;  ///< Of each of the three tensors of an expert.
};

/// Experts of three tensors each ("model.layers.2.mlp.experts.17.up.weight"), and a norm in every
/// layer. Fails the test when packing does.
PackedModel pack_expert_model(const TempDirectory& directory, const ExpertModelShape& shape);

/// The names of one expert's tensors.
std::vector<std::string> expert_names(uint32_t layer, uint32_t expert);
std::vector<std::string_view> as_views(const std::vector<std::string>& names);

}  // namespace qload::test
