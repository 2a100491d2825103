// The names that the two file formats give to the tensors of a Llama model.
#pragma once

#include <string_view>

#include "tools/qrun/model_config.h"

namespace qload::qrun {

/// Names of one scheme. A layer's are put behind `layers`, its number and a dot. An I8 matrix X has
/// its scales in X + "_scale".
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

/// True for tensors that some models carry and nobody needs: rotary frequencies that follow from
/// the configuration.
bool is_ignored_tensor(std::string_view name);

}  // namespace qload::qrun
