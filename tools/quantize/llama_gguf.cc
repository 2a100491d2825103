#include "tools/quantize/llama_gguf.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <nlohmann/json.hpp>

#include "format/base/format_text.h"

namespace qload::quantize {
namespace {

using Json = nlohmann::json;

struct NamePair {
  std::string_view transformers;
  std::string_view llama_cpp;
};
// transformers, modeling_llama.py; llama.cpp, llama-arch.cpp.
constexpr NamePair kModelNames[] = {
    {"model.embed_tokens.weight", "token_embd.weight"},
    {"model.norm.weight", "output_norm.weight"},
    {"lm_head.weight", "output.weight"},
};
constexpr std::string_view kLayers = "model.layers.";
constexpr NamePair kLayerNames[] = {
    {"input_layernorm.weight", "attn_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight"},
};

std::optional<std::string_view> find_name(std::span<const NamePair> pairs, std::string_view name) {
  for (const NamePair& pair : pairs) {
    if (pair.transformers == name) return pair.llama_cpp;
  }
  return std::nullopt;
}

/// llama.cpp's name of a tensor, or nothing.
std::optional<std::string> llama_cpp_name(std::string_view name) {
  if (const auto found = find_name(kModelNames, name)) return std::string(*found);
  if (!name.starts_with(kLayers)) return std::nullopt;
  name.remove_prefix(kLayers.size());
  uint32_t layer = 0;
  const auto read = std::from_chars(name.data(), name.data() + name.size(), layer);
  const std::string number = std::to_string(layer);  // Without leading zeros, or names could meet.
  if (read.ec != std::errc() || !name.starts_with(number + ".")) return std::nullopt;
  const auto part = find_name(kLayerNames, name.substr(number.size() + 1));
  if (!part) return std::nullopt;
  return text("blk.", layer, ".", *part);
}

std::optional<uint32_t> find_count(const Json& config, const char* field) {
  const auto found = config.find(field);
  if (found == config.end() || !found->is_number_unsigned()) return std::nullopt;
  const auto value = found->get<uint64_t>();
  if (value > UINT32_MAX) return std::nullopt;
  return static_cast<uint32_t>(value);
}

std::optional<float> find_number(const Json& config, const char* field) {
  const auto found = config.find(field);
  if (found == config.end() || !found->is_number()) return std::nullopt;
  return static_cast<float>(found->get<double>());
}

bool is_set(const Json& config, const char* field) {
  const auto found = config.find(field);
  return found != config.end() && !found->is_null() && *found != false;
}

bool fill_facts(const Json& config, LlamaFacts& facts) {
  const auto take = [&](const char* field, uint32_t& out) {
    const auto value = find_count(config, field);
    out = value.value_or(0);
    return out > 0;
  };
  if (!take("vocab_size", facts.vocabulary) || !take("max_position_embeddings", facts.context) ||
      !take("hidden_size", facts.hidden) || !take("num_hidden_layers", facts.layers) ||
      !take("intermediate_size", facts.feed_forward) || !take("num_attention_heads", facts.heads)) {
    return false;
  }
  const auto epsilon = find_number(config, "rms_norm_eps");
  if (!epsilon) return false;
  facts.norm_epsilon = *epsilon;
  facts.rope_base = find_number(config, "rope_theta").value_or(facts.rope_base);
  facts.key_value_heads = find_count(config, "num_key_value_heads").value_or(facts.heads);
  facts.head_size = find_count(config, "head_dim").value_or(facts.hidden / facts.heads);
  facts.begin_token = find_count(config, "bos_token_id");
  facts.end_token = find_count(config, "eos_token_id");
  return facts.key_value_heads > 0 && facts.head_size > 0 && facts.head_size % 2 == 0;
}

bool has_shape(const SourceTensor& tensor, uint64_t rows, uint64_t columns) {
  return tensor.shape.size() == 2 && tensor.shape[0] == rows && tensor.shape[1] == columns;
}

}  // namespace

Result<std::optional<LlamaFacts>> read_llama_facts(const ConfigText& config) {
  const Json json = Json::parse(config.json, nullptr, false);
  if (!json.is_object()) {
    return Error(ErrorCode::kCorrupt, "the configuration is no JSON object").at(config.where);
  }
  const auto type = json.find("model_type");
  LlamaFacts facts;
  const bool is_llama = type != json.end() && *type == "llama" && !is_set(json, "rope_scaling") &&
                        fill_facts(json, facts);
  if (!is_llama) return std::optional<LlamaFacts>();
  return std::optional(facts);
}

bool plan_llama(const ModelSource& model, const LlamaFacts& facts, std::span<TensorPlan> plans) {
  std::vector<uint32_t> rotated;
  for (uint32_t i = 0; i < plans.size(); ++i) {
    const SourceTensor& tensor = model.tensors()[plans[i].source];
    if (!llama_cpp_name(tensor.name)) return false;
    const bool is_query = tensor.name.ends_with("q_proj.weight");
    if (!is_query && !tensor.name.ends_with("k_proj.weight")) continue;
    const uint64_t heads = is_query ? facts.heads : facts.key_value_heads;
    if (!has_shape(tensor, heads * facts.head_size, facts.hidden)) return false;
    if (plans[i].treatment == Treatment::kCopy) return false;  // Of a type that has no rows here.
    rotated.push_back(i);
  }
  for (const uint32_t i : rotated) plans[i].head_rows = facts.head_size;
  return true;
}

void rename_llama(std::span<encode::OutputTensor> outputs) {
  for (encode::OutputTensor& output : outputs) output.name = *llama_cpp_name(output.name);
}

void add_llama_keys(const LlamaFacts& facts, encode::GgufKeyValues& keys) {
  keys.add("llama.context_length", facts.context);
  keys.add("llama.embedding_length", facts.hidden);
  keys.add("llama.block_count", facts.layers);
  keys.add("llama.feed_forward_length", facts.feed_forward);
  keys.add("llama.attention.head_count", facts.heads);
  keys.add("llama.attention.head_count_kv", facts.key_value_heads);
  keys.add("llama.attention.key_length", facts.head_size);
  keys.add("llama.attention.value_length", facts.head_size);
  keys.add("llama.attention.layer_norm_rms_epsilon", facts.norm_epsilon);
  keys.add("llama.rope.dimension_count", facts.head_size);
  keys.add("llama.rope.freq_base", facts.rope_base);
  keys.add("llama.vocab_size", facts.vocabulary);
  if (facts.begin_token) keys.add("tokenizer.ggml.bos_token_id", *facts.begin_token);
  if (facts.end_token) keys.add("tokenizer.ggml.eos_token_id", *facts.end_token);
}

void interleave_head_rows(uint64_t head_rows, uint64_t rows, std::span<const std::byte> from,
                          std::span<std::byte> to) {
  const uint64_t row_bytes = from.size() / rows;
  const uint64_t half = head_rows / 2;
  for (uint64_t row = 0; row < rows; ++row) {
    const uint64_t head = row / head_rows * head_rows;
    const uint64_t within = row % head_rows;
    const uint64_t source = head + within / 2 + within % 2 * half;
    std::memcpy(to.data() + row * row_bytes, from.data() + source * row_bytes, row_bytes);
  }
}

}  // namespace qload::quantize
