// The names that the two file formats give to the tensors of a Llama model.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tools/qrun/model_config.h"

namespace qload::qrun {

/// Names of one scheme. A layer's are put behind `layers`, its number and a dot. A quantized matrix
/// X has its scales in X + "_scale", factors of smoothing in X + "_smooth", outlier columns in X +
/// "_outliers" and their numbers in X + "_outlier_columns".
struct TensorNames {
  std::string_view embedding;
  std::string_view layers;
  std::string_view attention_norm;
  std::string_view query;
  std::string_view key;
  std::string_view value;
  std::string_view attention_output;
  std::string_view feed_forward_norm;
  std::string_view gate;
  std::string_view up;
  std::string_view down;
  std::string_view final_norm;
  std::string_view output;
};

const TensorNames& tensor_names(NamingScheme scheme);

/// What transformers calls a linear of a layer, whatever the file does: its weight's name in a
/// Hugging Face model without ".weight", "model.layers.0.self_attn.q_proj".
std::string layer_module_name(uint32_t layer, std::string_view TensorNames::*part);
/// "lm_head", where the output is the embedding, too.
std::string output_module_name();

/// True for tensors that some models carry and nobody needs: rotary frequencies that follow from
/// the configuration.
bool is_ignored_tensor(std::string_view name);

}  // namespace qload::qrun
