// ModelConfig: the numbers of a Llama model, and where they are found.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "qload/result.h"
#include "tools/qrun/gguf_values.h"

namespace qload::qrun {

/// Which elements of a head a rotation turns together. Converters to GGUF permute the rows of the
/// query and key weights so that both give the same scores.
enum class RopeLayout : uint8_t {
  kHalves,       ///< i and i + head / 2: models of Hugging Face.
  kInterleaved,  ///< 2i and 2i + 1: GGUF files of architecture "llama".
};

/// How tensors are named.
enum class NamingScheme : uint8_t {
  kHuggingFace,  ///< model.layers.N.self_attn.q_proj.weight
  kGguf,         ///< blk.N.attn_q.weight
};

struct ModelConfig {
  NamingScheme naming = NamingScheme::kHuggingFace;
  RopeLayout rope_layout = RopeLayout::kHalves;
  uint32_t layer_count = 0;
  uint32_t hidden_size = 0;
  uint32_t feed_forward_size = 0;
  uint32_t head_count = 0;
  uint32_t key_value_head_count = 0;
  uint32_t head_size = 0;
  uint32_t vocabulary_size = 0;
  uint32_t context_length = 0;  ///< Tokens that the model was trained for.
  double norm_epsilon = 0;
  double rope_base = 0;
  bool tied_embeddings = false;  ///< The output may be the embedding.
  std::optional<uint32_t> begin_token;
  std::vector<uint32_t> end_tokens;

  uint64_t query_size() const { return uint64_t{head_count} * head_size; }
  uint64_t key_value_size() const { return uint64_t{key_value_head_count} * head_size; }
};

/// Reads a Hugging Face config.json. kCorrupt for text that is not JSON, for a field that is
/// absent, not a number, or out of its range; kUnsupported for what this engine does not compute.
Result<ModelConfig> read_config_json(std::string_view json);

/// Reads the "llama." key-values of a GGUF header. Errors as above.
Result<ModelConfig> read_config_gguf(const GgufValues& values);

/// Proves that the numbers agree with each other and are within their limits, so that no size
/// computed from them overflows. Both readers call it. kCorrupt names the field.
Status check_config(const ModelConfig& config);

}  // namespace qload::qrun
