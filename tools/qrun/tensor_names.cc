#include "tools/qrun/tensor_names.h"

#include "format/base/format_text.h"

namespace qload::qrun {
namespace {

// transformers, modeling_llama.py.
constexpr TensorNames kHuggingFaceNames = {
    .embedding = "model.embed_tokens.weight",
    .layers = "model.layers.",
    .attention_norm = "input_layernorm.weight",
    .query = "self_attn.q_proj.weight",
    .key = "self_attn.k_proj.weight",
    .value = "self_attn.v_proj.weight",
    .attention_output = "self_attn.o_proj.weight",
    .feed_forward_norm = "post_attention_layernorm.weight",
    .gate = "mlp.gate_proj.weight",
    .up = "mlp.up_proj.weight",
    .down = "mlp.down_proj.weight",
    .final_norm = "model.norm.weight",
    .output = "lm_head.weight",
};

// llama.cpp, llama-arch.cpp, LLM_ARCH_LLAMA.
constexpr TensorNames kGgufNames = {
    .embedding = "token_embd.weight",
    .layers = "blk.",
    .attention_norm = "attn_norm.weight",
    .query = "attn_q.weight",
    .key = "attn_k.weight",
    .value = "attn_v.weight",
    .attention_output = "attn_output.weight",
    .feed_forward_norm = "ffn_norm.weight",
    .gate = "ffn_gate.weight",
    .up = "ffn_up.weight",
    .down = "ffn_down.weight",
    .final_norm = "output_norm.weight",
    .output = "output.weight",
};

std::string_view without_weight(std::string_view name) {
  name.remove_suffix(std::string_view(".weight").size());
  return name;
}

}  // namespace

const TensorNames& tensor_names(NamingScheme scheme) {
  return scheme == NamingScheme::kGguf ? kGgufNames : kHuggingFaceNames;
}

std::string layer_module_name(uint32_t layer, std::string_view TensorNames::*part) {
  return text(kHuggingFaceNames.layers, layer, ".", without_weight(kHuggingFaceNames.*part));
}

std::string output_module_name() { return std::string(without_weight(kHuggingFaceNames.output)); }

bool is_ignored_tensor(std::string_view name) {
  return name.ends_with(".self_attn.rotary_emb.inv_freq");
}

}  // namespace qload::qrun
