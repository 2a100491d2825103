#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/qrun/model_config.h"

namespace qload::qrun {
namespace {

Error corrupt(std::string message) { return Error(ErrorCode::kCorrupt, std::move(message)); }
Error unsupported(std::string message) {
  return Error(ErrorCode::kUnsupported, std::move(message));
}

Result<std::optional<uint32_t>> find_count(const GgufValues& values, std::string_view key) {
  QLOAD_TRY(const auto value, values.find_count(key));
  if (!value) return std::optional<uint32_t>();
  if (*value > UINT32_MAX) {
    return corrupt(text("GGUF key ", quote(key), " is ", *value, ", expected at most 32 bits"));
  }
  return std::optional(static_cast<uint32_t>(*value));
}

/// `out` is its default when the key is absent, and absent is an error when it has none.
Status read_count(const GgufValues& values, std::string_view key, uint32_t& out,
                  std::optional<uint32_t> otherwise = std::nullopt) {
  QLOAD_TRY(auto value, find_count(values, key));
  if (!value) value = otherwise;
  if (!value) return corrupt(text("GGUF key ", quote(key), " is absent"));
  out = *value;
  return Ok{};
}

Status check_kind(const GgufValues& values) {
  QLOAD_TRY(const auto architecture, values.find_text("general.architecture"));
  if (architecture != std::string_view("llama")) {
    return unsupported(text("GGUF architecture is ", quote(architecture.value_or("absent")),
                            ", this engine knows \"llama\""));
  }
  QLOAD_TRY(const auto scaling, values.find_text("llama.rope.scaling.type"));
  if (scaling && *scaling != "none") {
    return unsupported(text("GGUF key \"llama.rope.scaling.type\" is ", quote(*scaling),
                            ", which this engine does not compute"));
  }
  QLOAD_TRY(const auto experts, values.find_count("llama.expert_count"));
  if (experts.value_or(0) != 0) {
    return unsupported(text("the model has ", *experts, " experts, this engine knows none"));
  }
  return Ok{};
}

/// What the keys say of the vocabulary: the number of tokens is that of the list when no key has
/// it.
Status read_vocabulary(const GgufValues& values, ModelConfig& out) {
  QLOAD_TRY(const auto tokens, values.find_texts("tokenizer.ggml.tokens"));
  if (tokens.size() > UINT32_MAX) return corrupt("GGUF vocabulary is larger than 32 bits");
  std::optional<uint32_t> listed;
  if (!tokens.empty()) listed = static_cast<uint32_t>(tokens.size());
  QLOAD_CHECK(read_count(values, "llama.vocab_size", out.vocabulary_size, listed));
  QLOAD_TRY(out.begin_token, find_count(values, "tokenizer.ggml.bos_token_id"));
  QLOAD_TRY(const auto end, find_count(values, "tokenizer.ggml.eos_token_id"));
  if (end) out.end_tokens.push_back(*end);
  return Ok{};
}

}  // namespace

Result<ModelConfig> read_config_gguf(const GgufValues& values) {
  QLOAD_CHECK(check_kind(values));
  ModelConfig out;
  out.naming = NamingScheme::kGguf;
  out.rope_layout = RopeLayout::kInterleaved;
  out.tied_embeddings = true;  // A file without an output tensor means this.
  QLOAD_CHECK(read_count(values, "llama.block_count", out.layer_count));
  QLOAD_CHECK(read_count(values, "llama.embedding_length", out.hidden_size));
  QLOAD_CHECK(read_count(values, "llama.feed_forward_length", out.feed_forward_size));
  QLOAD_CHECK(read_count(values, "llama.context_length", out.context_length));
  QLOAD_CHECK(read_count(values, "llama.attention.head_count", out.head_count));
  QLOAD_CHECK(read_count(values, "llama.attention.head_count_kv", out.key_value_head_count,
                         out.head_count));
  // Zero heads are refused below, with the field's name.
  const uint32_t head_size = out.head_count == 0 ? 0 : out.hidden_size / out.head_count;
  QLOAD_CHECK(read_count(values, "llama.attention.key_length", out.head_size, head_size));
  uint32_t rotated_size = 0;
  QLOAD_CHECK(read_count(values, "llama.rope.dimension_count", rotated_size, out.head_size));
  if (rotated_size != out.head_size) {
    return unsupported(text("the model rotates ", rotated_size, " of ", out.head_size,
                            " elements of a head, this engine rotates all"));
  }
  QLOAD_TRY(const auto epsilon, values.find_number("llama.attention.layer_norm_rms_epsilon"));
  if (!epsilon) return corrupt("GGUF key \"llama.attention.layer_norm_rms_epsilon\" is absent");
  out.norm_epsilon = *epsilon;
  QLOAD_TRY(const auto base, values.find_number("llama.rope.freq_base"));
  out.rope_base = base.value_or(10000);  // llama.cpp's default.
  QLOAD_CHECK(read_vocabulary(values, out));
  QLOAD_CHECK(check_config(out));
  return out;
}

}  // namespace qload::qrun
