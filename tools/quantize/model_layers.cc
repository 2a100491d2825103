#include "tools/quantize/model_layers.h"

#include <algorithm>

namespace qload::quantize {
namespace {

/// What a layer of the family has, besides the tensor that shows there is one.
struct FamilyNames {
  LayerFamily family;
  std::string_view sign;  ///< Ends the name of one tensor of each layer.
  std::vector<std::string_view> required;
  /// Begin names of layers that are of another kind.
  std::vector<std::string_view> forbidden;
};

// transformers: modeling_llama.py, modeling_opt.py, modeling_gpt2.py.
const std::vector<FamilyNames>& all_families() {
  static const std::vector<FamilyNames> kFamilies = {
      {LayerFamily::kLlama,
       "self_attn.q_proj.weight",
       {"input_layernorm.weight", "post_attention_layernorm.weight", "self_attn.o_proj.weight"},
       // Gemma 2 and 3, OLMo 2: norms after attention and feed-forward.
       {"pre_feedforward_layernorm.weight", "post_feedforward_layernorm.weight"}},
      {LayerFamily::kOpt,
       "self_attn.q_proj.weight",
       {"self_attn_layer_norm.weight", "final_layer_norm.weight", "self_attn.out_proj.weight"},
       // BART and its kin: attention to an encoder, norms after the residual.
       {"encoder_attn.q_proj.weight"}},
      {LayerFamily::kGpt2, "attn.c_attn.weight", {"ln_1.weight", "ln_2.weight"}, {}},
  };
  return kFamilies;
}

/// "model.decoder." of "model.decoder.layers.3.".
std::string_view model_prefix(std::string_view layer_prefix) {
  const size_t end = layer_prefix.rfind("layers.");
  return end == std::string_view::npos ? std::string_view() : layer_prefix.substr(0, end);
}

bool is_square_of(const SourceTensor& tensor, uint64_t rows, uint64_t columns) {
  return tensor.shape.size() == 2 && tensor.shape[0] == rows && tensor.shape[1] == columns;
}

/// GPT-2's c_attn is [n, 3 n] as Conv1D and [3 n, n] as Linear, which others use under its names.
bool is_transposed(const TensorTable& tensors, const std::string& prefix) {
  const SourceTensor& norm = tensors[*tensors.find(prefix + "ln_1.weight")];
  if (norm.shape.size() != 1) return false;
  const uint64_t size = norm.shape[0];
  const SourceTensor& attention = tensors[*tensors.find(prefix + "attn.c_attn.weight")];
  return size > 0 && attention.shape.size() == 2 && attention.shape[1] / 3 == size &&
         is_square_of(attention, size, 3 * size);
}

bool is_layer(const TensorTable& tensors, const FamilyNames& names, const std::string& prefix) {
  const auto has = [&](std::string_view part) {
    return tensors.find(prefix + std::string(part)).has_value();
  };
  if (!std::ranges::all_of(names.required, has)) return false;
  if (std::ranges::any_of(names.forbidden, has)) return false;
  // OPT-350m has norms after the residual, and then none after the last layer.
  if (names.family != LayerFamily::kOpt) return true;
  return tensors.find(std::string(model_prefix(prefix)) + "final_layer_norm.weight").has_value();
}

}  // namespace

TensorTable::TensorTable(std::span<const SourceTensor> tensors) : tensors_(tensors) {
  for (uint32_t i = 0; i < tensors.size(); ++i) by_name_.emplace(tensors[i].name, i);
}

std::optional<uint32_t> TensorTable::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return std::nullopt;
  return found->second;
}

std::vector<ModelLayer> find_model_layers(const TensorTable& tensors) {
  std::vector<ModelLayer> layers;
  for (const SourceTensor& tensor : tensors.tensors()) {
    for (const FamilyNames& names : all_families()) {
      if (!tensor.name.ends_with(names.sign)) continue;
      std::string prefix = tensor.name.substr(0, tensor.name.size() - names.sign.size());
      if (!is_layer(tensors, names, prefix)) continue;
      const bool transposed = names.family == LayerFamily::kGpt2 && is_transposed(tensors, prefix);
      layers.push_back({names.family, std::move(prefix), transposed});
    }
  }
  std::ranges::sort(layers, {}, &ModelLayer::prefix);
  return layers;
}

std::vector<uint32_t> find_transposed_matrices(const TensorTable& tensors) {
  std::vector<uint32_t> numbers;
  for (const ModelLayer& layer : find_model_layers(tensors)) {
    if (!layer.transposed) continue;
    for (const char* part :
         {"attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight"}) {
      if (const auto number = tensors.find(layer.prefix + part)) numbers.push_back(*number);
    }
  }
  return numbers;
}

}  // namespace qload::quantize
