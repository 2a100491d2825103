// Decoder layers of known architectures, recognised by the names of their tensors.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "format/input/model_source.h"

namespace qload::quantize {

/// Tensors by name. Borrows them.
class TensorTable {
 public:
  explicit TensorTable(std::span<const SourceTensor> tensors);
  std::optional<uint32_t> find(std::string_view name) const;
  const SourceTensor& operator[](uint32_t number) const { return tensors_[number]; }
  std::span<const SourceTensor> tensors() const { return tensors_; }

 private:
  std::span<const SourceTensor> tensors_;
  std::unordered_map<std::string_view, uint32_t> by_name_;
};

enum class LayerFamily : uint8_t { kLlama, kOpt, kGpt2 };

/// One layer, whose tensors' names start with `prefix`, "model.layers.0.".
struct ModelLayer {
  LayerFamily family;
  std::string prefix;
  bool transposed = false;  ///< Of kGpt2: its matrices are Conv1D, [inputs, outputs].
};

/// The layers whose inputs pass as this family's do: every norm before its linears, and nothing
/// else behind the norm. Layers that share names with the families but not that (Gemma 2, BART,
/// OPT with norms after the residual) are left out. Increasing by prefix.
std::vector<ModelLayer> find_model_layers(const TensorTable& tensors);

/// Numbers of the matrices that are [inputs, outputs].
std::vector<uint32_t> find_transposed_matrices(const TensorTable& tensors);

}  // namespace qload::quantize
