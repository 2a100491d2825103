#include "tools/quantize/smoothing_groups.h"

#include <algorithm>
#include <array>
#include <string>

#include "tools/encode/float_rows.h"

namespace qload::quantize {
namespace {

/// A fold by name: a weight and, where there is one, its bias.
struct FoldName {
  std::string module;
  uint64_t first = 0;
};

class GroupFinder {
 public:
  GroupFinder(const TensorTable& tensors, std::span<const TensorPlan> plans,
              const ConfigHints& hints)
      : tensors_(tensors), plans_(plans), hints_(hints), grouped_(plans.size()) {}

  void fold_layer(const ModelLayer& layer) {
    switch (layer.family) {
      case LayerFamily::kLlama:
        return fold_llama(layer.prefix);
      case LayerFamily::kOpt:
        return fold_opt(layer.prefix);
      case LayerFamily::kGpt2:
        return fold_gpt2(layer.prefix);
    }
  }

  /// What is in no group yet gets one of its own.
  std::vector<SmoothingGroup> finish() {
    for (uint32_t i = 0; i < plans_.size(); ++i) {
      if (!is_smoothed(i) || grouped_[i]) continue;
      groups_.push_back({.consumers = {i}, .channel_count = plans_[i].input_channels()});
    }
    return std::move(groups_);
  }

 private:
  void fold_llama(const std::string& p) {
    add({p + "self_attn.q_proj", p + "self_attn.k_proj", p + "self_attn.v_proj"},
        {p + "input_layernorm"});
    add({p + "self_attn.o_proj"}, {p + "self_attn.v_proj"});
    add({p + "mlp.gate_proj", p + "mlp.up_proj"}, {p + "post_attention_layernorm"});
    // down(act(gate x) * (up x)) is linear in up.
    add({p + "mlp.down_proj"}, {p + "mlp.up_proj"});
  }

  void fold_opt(const std::string& p) {
    add({p + "self_attn.q_proj", p + "self_attn.k_proj", p + "self_attn.v_proj"},
        {p + "self_attn_layer_norm"});
    add({p + "self_attn.out_proj"}, {p + "self_attn.v_proj"});
    add({p + "fc1"}, {p + "final_layer_norm"});
    // relu(x / s) = relu(x) / s; no other activation has that.
    if (hints_.activation.value_or("relu") == "relu") add({p + "fc2"}, {p + "fc1"});
  }

  void fold_gpt2(const std::string& p) {
    add({p + "attn.c_attn"}, {p + "ln_1"});
    // The last third of c_attn gives the values.
    const SourceTensor& norm = tensors_[*tensors_.find(p + "ln_1.weight")];
    if (norm.shape.size() == 1) add({p + "attn.c_proj"}, {p + "attn.c_attn", 2 * norm.shape[0]});
    add({p + "mlp.c_fc"}, {p + "ln_2"});
  }

  /// Linears that are quantized are what is smoothed.
  bool is_smoothed(uint32_t plan) const {
    return plans_[plan].is_quantized() && !plans_[plan].is_embedding;
  }

  /// A group of `modules` folded into `fold`, if all are there, of plain floats, and fit.
  void add(const std::vector<std::string>& modules, const FoldName& fold) {
    SmoothingGroup group;
    for (const std::string& module : modules) {
      const auto number = tensors_.find(module + ".weight");
      if (!number || !is_float_matrix(*number) || grouped_[*number]) return;
      group.consumers.push_back(*number);
    }
    group.channel_count = plans_[group.consumers[0]].input_channels();
    const auto differs = [&](uint32_t consumer) {
      return plans_[consumer].input_channels() != group.channel_count;
    };
    if (std::ranges::any_of(group.consumers, differs)) return;
    if (std::ranges::none_of(group.consumers, [&](uint32_t i) { return is_smoothed(i); })) return;
    if (!fold_into(fold, group)) return;
    for (const uint32_t consumer : group.consumers) grouped_[consumer] = true;
    groups_.push_back(std::move(group));
  }

  bool is_float_matrix(uint32_t number) const {
    return encode::is_plain_float(tensors_[number].dtype) && tensors_[number].shape.size() == 2;
  }

  /// Output channels of a weight, norm or bias; 0 for what cannot be folded into.
  uint64_t output_channels(uint32_t number) const {
    const SourceTensor& tensor = tensors_[number];
    if (!encode::is_plain_float(tensor.dtype)) return 0;
    if (tensor.shape.size() == 1) return tensor.shape[0];
    if (tensor.shape.size() != 2) return 0;
    return plans_[number].input_axis == InputAxis::kColumns ? tensor.shape[0] : tensor.shape[1];
  }

  bool fold_into(const FoldName& fold, SmoothingGroup& group) const {
    const auto weight = tensors_.find(fold.module + ".weight");
    if (!weight) return false;
    const uint64_t channels = output_channels(*weight);
    if (channels <= fold.first) return false;
    const bool is_norm = tensors_[*weight].shape.size() == 1;
    if (is_norm ? channels != group.channel_count : !share_heads(channels - fold.first, group)) {
      return false;
    }
    group.folds.push_back({*weight, fold.first});
    if (const auto bias = tensors_.find(fold.module + ".bias")) {
      if (tensors_[*bias].shape.size() != 1 || output_channels(*bias) != channels) return false;
      group.folds.push_back({*bias, fold.first});
    }
    return true;
  }

  /// Finds out how `folded_channels` channels become those of the group's input.
  bool share_heads(uint64_t folded_channels, SmoothingGroup& group) const {
    if (folded_channels == group.channel_count) return true;
    if (group.channel_count % folded_channels != 0 || !hints_.head_size) return false;
    group.head_repeat = group.channel_count / folded_channels;
    group.head_size = *hints_.head_size;
    return group.head_size > 0 && folded_channels % group.head_size == 0;
  }

  const TensorTable& tensors_;
  const std::span<const TensorPlan> plans_;
  const ConfigHints& hints_;
  std::vector<bool> grouped_;
  std::vector<SmoothingGroup> groups_;
};

/// True when the configuration, if there is one, is of a model whose layers are what their names
/// say: Gemma has Llama's names, and norms that add 1 to their weights.
bool is_believed(const ModelLayer& layer, const ConfigHints& hints) {
  static constexpr std::array<std::string_view, 6> kLlamas = {"llama", "mistral", "mixtral",
                                                              "qwen2", "qwen3",   "smollm3"};
  if (!hints.model_type) return true;
  switch (layer.family) {
    case LayerFamily::kLlama:
      return std::ranges::find(kLlamas, *hints.model_type) != kLlamas.end();
    case LayerFamily::kOpt:
      return hints.model_type == "opt";
    case LayerFamily::kGpt2:
      return hints.model_type == "gpt2";
  }
  return false;
}

}  // namespace

std::vector<SmoothingGroup> find_smoothing_groups(const TensorTable& tensors,
                                                  std::span<const TensorPlan> plans,
                                                  const ConfigHints& hints, bool fold) {
  GroupFinder finder(tensors, plans, hints);
  if (fold) {
    for (const ModelLayer& layer : find_model_layers(tensors)) {
      if (is_believed(layer, hints)) finder.fold_layer(layer);
    }
  }
  return finder.finish();
}

}  // namespace qload::quantize
