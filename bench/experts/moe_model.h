// A mixture of experts that anyone can make again: a plain file, and its container.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "qload/result.h"

namespace qload::bench {

struct MoeShape {
  uint32_t layers = 8;
  uint32_t experts = 64;  ///< Of each layer.
  uint64_t tensor_bytes =
      704u << 10;  ///< Of each of an expert's three tensors, a multiple of 4096.

  uint64_t expert_bytes() const { return 3 * tensor_bytes; }
  uint64_t decoded_bytes() const { return uint64_t{layers} * experts * expert_bytes(); }
};

/// "model.layers.2.mlp.experts.17.gate_proj.weight" and the same of up_proj and down_proj.
std::vector<std::string> moe_expert_names(uint32_t layer, uint32_t expert);

/// Writes a safetensors file of INT8 experts, bell-shaped, each with bytes of its own.
Status write_moe_model(const std::filesystem::path& path, const MoeShape& shape);

}  // namespace qload::bench
