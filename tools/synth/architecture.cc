#include "tools/synth/architecture.h"

#include "format/base/format_text.h"

namespace qload::synth {
namespace {

// The config.json files of facebook/opt-*, TinyLlama-1.1B and Llama-1-7B. OPT keeps two position
// rows more than its context (an offset for padding). "tiny" is a Llama for tests.
constexpr Architecture kArchitectures[] = {
    {"opt-125m", Family::kOpt, 12, 768, 3072, 12, 12, 50272, 2050},
    {"opt-1.3b", Family::kOpt, 24, 2048, 8192, 32, 32, 50272, 2050},
    {"opt-2.7b", Family::kOpt, 32, 2560, 10240, 32, 32, 50272, 2050},
    {"opt-6.7b", Family::kOpt, 32, 4096, 16384, 32, 32, 50272, 2050},
    {"opt-13b", Family::kOpt, 40, 5120, 20480, 40, 40, 50272, 2050},
    {"opt-30b", Family::kOpt, 48, 7168, 28672, 56, 56, 50272, 2050},
    {"tinyllama-1.1b", Family::kLlama, 22, 2048, 5632, 32, 4, 32000, 2048},
    {"llama-7b", Family::kLlama, 32, 4096, 11008, 32, 32, 32000, 2048},
    {"tiny", Family::kLlama, 4, 256, 704, 8, 4, 2048, 512},
};

/// Collects specs under one prefix for each naming scheme.
class WeightList {
 public:
  void matrix(std::string name, std::string gguf_name, uint64_t rows, uint64_t columns,
              WeightKind kind) {
    specs_.push_back({prefix_ + std::move(name) + ".weight",
                      gguf_prefix_ + std::move(gguf_name) + ".weight", rows, columns, false, kind,
                      layer_});
  }
  void vector(std::string name, std::string gguf_name, uint64_t columns, WeightKind kind) {
    specs_.push_back({prefix_ + std::move(name), gguf_prefix_ + std::move(gguf_name), 1, columns,
                      true, kind, layer_});
  }
  void enter_layer(std::string_view stack, uint32_t layer) {
    prefix_ = text(stack, layer, ".");
    gguf_prefix_ = text("blk.", layer, ".");
    layer_ = layer;
  }
  void leave_layers() {
    prefix_.clear();
    gguf_prefix_.clear();
    layer_ = kOutsideLayers;
  }
  std::vector<WeightSpec> take() { return std::move(specs_); }

 private:
  std::vector<WeightSpec> specs_;
  std::string prefix_;
  std::string gguf_prefix_;
  uint32_t layer_ = kOutsideLayers;
};

void add_norm(WeightList& list, std::string_view name, std::string_view gguf_name, uint64_t size) {
  list.vector(text(name, ".weight"), text(gguf_name, ".weight"), size, WeightKind::kNorm);
  list.vector(text(name, ".bias"), text(gguf_name, ".bias"), size, WeightKind::kBias);
}

void add_linear(WeightList& list, std::string_view name, std::string_view gguf_name, uint64_t rows,
                uint64_t columns, WeightKind kind) {
  list.matrix(std::string(name), std::string(gguf_name), rows, columns, kind);
  list.vector(text(name, ".bias"), text(gguf_name, ".bias"), rows, WeightKind::kBias);
}

std::vector<WeightSpec> list_opt(const Architecture& a) {
  WeightList list;
  list.matrix("model.decoder.embed_tokens", "token_embd", a.vocabulary, a.hidden,
              WeightKind::kEmbedding);
  list.matrix("model.decoder.embed_positions", "position_embd", a.positions, a.hidden,
              WeightKind::kEmbedding);
  for (uint32_t layer = 0; layer < a.layers; ++layer) {
    list.enter_layer("model.decoder.layers.", layer);
    add_norm(list, "self_attn_layer_norm", "attn_norm", a.hidden);
    for (const char* projection : {"q", "k", "v"}) {
      add_linear(list, text("self_attn.", projection, "_proj"), text("attn_", projection), a.hidden,
                 a.hidden, WeightKind::kAttentionInput);
    }
    add_linear(list, "self_attn.out_proj", "attn_output", a.hidden, a.hidden,
               WeightKind::kAttentionOutput);
    add_norm(list, "final_layer_norm", "ffn_norm", a.hidden);
    add_linear(list, "fc1", "ffn_up", a.feed_forward, a.hidden, WeightKind::kFeedForwardUp);
    add_linear(list, "fc2", "ffn_down", a.hidden, a.feed_forward, WeightKind::kFeedForwardDown);
  }
  list.leave_layers();
  add_norm(list, "model.decoder.final_layer_norm", "output_norm", a.hidden);
  return list.take();
}

std::vector<WeightSpec> list_llama(const Architecture& a) {
  WeightList list;
  const uint64_t key_value = static_cast<uint64_t>(a.hidden) / a.heads * a.key_value_heads;
  list.matrix("model.embed_tokens", "token_embd", a.vocabulary, a.hidden, WeightKind::kEmbedding);
  for (uint32_t layer = 0; layer < a.layers; ++layer) {
    list.enter_layer("model.layers.", layer);
    list.vector("input_layernorm.weight", "attn_norm.weight", a.hidden, WeightKind::kNorm);
    list.matrix("self_attn.q_proj", "attn_q", a.hidden, a.hidden, WeightKind::kAttentionInput);
    list.matrix("self_attn.k_proj", "attn_k", key_value, a.hidden, WeightKind::kAttentionInput);
    list.matrix("self_attn.v_proj", "attn_v", key_value, a.hidden, WeightKind::kAttentionInput);
    list.matrix("self_attn.o_proj", "attn_output", a.hidden, a.hidden,
                WeightKind::kAttentionOutput);
    list.vector("post_attention_layernorm.weight", "ffn_norm.weight", a.hidden, WeightKind::kNorm);
    list.matrix("mlp.gate_proj", "ffn_gate", a.feed_forward, a.hidden, WeightKind::kFeedForwardUp);
    list.matrix("mlp.up_proj", "ffn_up", a.feed_forward, a.hidden, WeightKind::kFeedForwardUp);
    list.matrix("mlp.down_proj", "ffn_down", a.hidden, a.feed_forward,
                WeightKind::kFeedForwardDown);
  }
  list.leave_layers();
  list.vector("model.norm.weight", "output_norm.weight", a.hidden, WeightKind::kNorm);
  list.matrix("lm_head", "output", a.vocabulary, a.hidden, WeightKind::kEmbedding);
  return list.take();
}

}  // namespace

std::string_view weight_kind_name(WeightKind kind) {
  switch (kind) {
    case WeightKind::kEmbedding:
      return "embedding";
    case WeightKind::kAttentionInput:
      return "attention_input";
    case WeightKind::kAttentionOutput:
      return "attention_output";
    case WeightKind::kFeedForwardUp:
      return "feed_forward_up";
    case WeightKind::kFeedForwardDown:
      return "feed_forward_down";
    case WeightKind::kNorm:
      return "norm";
    case WeightKind::kBias:
      return "bias";
  }
  return "unknown";
}

std::span<const Architecture> all_architectures() { return kArchitectures; }

std::optional<Architecture> find_architecture(std::string_view name) {
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.name == name) return architecture;
  }
  return std::nullopt;
}

std::vector<WeightSpec> list_weights(const Architecture& architecture) {
  return architecture.family == Family::kOpt ? list_opt(architecture) : list_llama(architecture);
}

}  // namespace qload::synth
