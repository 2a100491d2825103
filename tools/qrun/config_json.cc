#include <nlohmann/json.hpp>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/qrun/model_config.h"

namespace qload::qrun {
namespace {

using Json = nlohmann::json;

constexpr int kDepthMax = 8;

Error corrupt(std::string message) { return Error(ErrorCode::kCorrupt, std::move(message)); }
Error unsupported(std::string message) {
  return Error(ErrorCode::kUnsupported, std::move(message));
}

/// The field, or null when it is absent or JSON's null.
const Json* find(const Json& config, const char* field) {
  const auto found = config.find(field);
  return found == config.end() || found->is_null() ? nullptr : &*found;
}

Result<uint32_t> read_count(const Json& value, std::string_view field) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > UINT32_MAX) {
    return corrupt(text("config: ", field, " is ", quote(value.dump(), 40),
                        ", expected a whole number of 32 bits"));
  }
  return value.get<uint32_t>();
}

Status read_count(const Json& config, const char* field, uint32_t& out) {
  const Json* value = find(config, field);
  if (value == nullptr) return corrupt(text("config: ", field, " is absent"));
  QLOAD_TRY(out, read_count(*value, field));
  return Ok{};
}

/// As above; an absent field leaves `out` as it is.
Status read_optional(const Json& config, const char* field, uint32_t& out) {
  return find(config, field) == nullptr ? Status(Ok{}) : read_count(config, field, out);
}

Status read_number(const Json& config, const char* field, double& out) {
  const Json* value = find(config, field);
  if (value == nullptr) return Ok{};
  if (!value->is_number()) {
    return corrupt(
        text("config: ", field, " is ", quote(value->dump(), 40), ", expected a number"));
  }
  out = value->get<double>();
  return Ok{};
}

/// One token or a list of them.
Status read_tokens(const Json& config, const char* field, std::vector<uint32_t>& out) {
  const Json* value = find(config, field);
  if (value == nullptr) return Ok{};
  if (!value->is_array()) {
    QLOAD_TRY(const uint32_t token, read_count(*value, field));
    out.push_back(token);
    return Ok{};
  }
  for (const Json& item : *value) {
    QLOAD_TRY(const uint32_t token, read_count(item, field));
    out.push_back(token);
  }
  return Ok{};
}

Status require_text(const Json& config, const char* field, std::string_view wanted) {
  const Json* value = find(config, field);
  if (value == nullptr || (value->is_string() && value->get_ref<const std::string&>() == wanted)) {
    return Ok{};
  }
  return unsupported(text("config: ", field, " is ", quote(value->dump(), 40),
                          ", this engine knows ", quote(wanted)));
}

Status require_off(const Json& config, const char* field) {
  const Json* value = find(config, field);
  if (value == nullptr || (value->is_boolean() && !value->get<bool>())) return Ok{};
  return unsupported(text("config: ", field, " is ", quote(value->dump(), 40),
                          ", which this engine does not compute"));
}

/// "default" is what there is without the field.
Status check_rope_scaling(const Json& config) {
  const Json* scaling = find(config, "rope_scaling");
  if (scaling == nullptr) return Ok{};
  for (const char* key : {"rope_type", "type"}) {
    if (scaling->is_object() && scaling->value(key, Json()) == "default") return Ok{};
  }
  return unsupported(text("config: rope_scaling is ", quote(scaling->dump(), 80),
                          ", which this engine does not compute"));
}

}  // namespace

Result<ModelConfig> read_config_json(std::string_view json) {
  // Deeper values are dropped: nothing here is as deep, and printing one takes stack.
  const auto is_shallow = [](int depth, Json::parse_event_t, Json&) { return depth <= kDepthMax; };
  const Json config = Json::parse(json, is_shallow, false);
  if (config.is_discarded() || !config.is_object()) {
    return corrupt(text("config: ", quote(json, 40), " is not a JSON object"));
  }
  QLOAD_CHECK(require_text(config, "model_type", "llama"));
  QLOAD_CHECK(require_text(config, "hidden_act", "silu"));
  QLOAD_CHECK(require_off(config, "attention_bias"));
  QLOAD_CHECK(require_off(config, "mlp_bias"));
  QLOAD_CHECK(check_rope_scaling(config));

  ModelConfig out;
  QLOAD_CHECK(read_count(config, "num_hidden_layers", out.layer_count));
  QLOAD_CHECK(read_count(config, "hidden_size", out.hidden_size));
  QLOAD_CHECK(read_count(config, "intermediate_size", out.feed_forward_size));
  QLOAD_CHECK(read_count(config, "num_attention_heads", out.head_count));
  QLOAD_CHECK(read_count(config, "vocab_size", out.vocabulary_size));
  out.key_value_head_count = out.head_count;
  QLOAD_CHECK(read_optional(config, "num_key_value_heads", out.key_value_head_count));
  // Zero heads are refused below, with the field's name.
  out.head_size = out.head_count == 0 ? 0 : out.hidden_size / out.head_count;
  QLOAD_CHECK(read_optional(config, "head_dim", out.head_size));
  out.context_length = 2048;  // transformers' LlamaConfig, as the three numbers below.
  QLOAD_CHECK(read_optional(config, "max_position_embeddings", out.context_length));
  out.norm_epsilon = 1e-6;
  QLOAD_CHECK(read_number(config, "rms_norm_eps", out.norm_epsilon));
  out.rope_base = 10000;
  QLOAD_CHECK(read_number(config, "rope_theta", out.rope_base));
  if (const Json* tied = find(config, "tie_word_embeddings")) {
    if (!tied->is_boolean()) {
      return corrupt(text("config: tie_word_embeddings is ", quote(tied->dump(), 40),
                          ", expected true or false"));
    }
    out.tied_embeddings = tied->get<bool>();
  }
  std::vector<uint32_t> begin;
  QLOAD_CHECK(read_tokens(config, "bos_token_id", begin));
  if (!begin.empty()) out.begin_token = begin.front();
  QLOAD_CHECK(read_tokens(config, "eos_token_id", out.end_tokens));
  QLOAD_CHECK(check_config(out));
  return out;
}

}  // namespace qload::qrun
