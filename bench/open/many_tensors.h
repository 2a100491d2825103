// A model of very many tiny tensors, as mixtures of experts with scales have.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "qload/result.h"

namespace qload::bench {

/// Bytes of each tensor: I8, 16 by 16.
inline constexpr uint64_t kTinyTensorBytes = 256;

/// Writes a safetensors file of `count` tensors at `path`. Returns their bytes, one tensor after
/// the other in the order of names that tiny_tensor_name gives; the same for the same count.
Result<std::vector<std::byte>> write_many_tensors(const std::filesystem::path& path,
                                                  uint64_t count);

/// "model.layers.2.mlp.experts.17.scale".
std::string tiny_tensor_name(uint64_t number);

}  // namespace qload::bench
