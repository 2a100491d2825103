// The largest absolute activation of each input channel of each linear, as calibration finds it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "format/input/model_source.h"
#include "qload/result.h"

namespace qload::quantize {

/// A safetensors file with one F32 vector for each linear, named by its module
/// ("model.layers.0.mlp.up_proj", as SmoothQuant's act_scales are) or by its weight
/// ("model.layers.0.mlp.up_proj.weight"); the module's comes first. Other tensors in the file are
/// not looked at. Immutable.
class ActivationMaxima {
 public:
  static Result<ActivationMaxima> open(const std::filesystem::path& path);

  /// The maxima of the inputs of `weight`, which has `channel_count` of them: finite, none
  /// negative. kNotFound names the weight that has none; kCorrupt a vector of another type or
  /// length, or the value that cannot be a maximum.
  Result<std::vector<float>> find(std::string_view weight, uint64_t channel_count) const;

 private:
  ModelSource source_;
  std::string name_;
  std::unordered_map<std::string_view, uint32_t> by_name_;  // Into source_.tensors().
};

/// The module a weight belongs to: its name without ".weight".
std::string_view module_name(std::string_view weight);

}  // namespace qload::quantize
