#include "tools/analyze/tensor_kind.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <vector>

#include "format/pack/tensor_role.h"

namespace qload::analyze {
namespace {

using Words = std::span<const std::string_view>;

// Components of names, in lower case, that tell by themselves.
constexpr auto kAttentionInputs = std::to_array<std::string_view>(
    {"q_proj",       "k_proj",   "v_proj",    "qkv_proj",  "qkv",      "c_attn",
     "q_attn",       "query",    "key",       "value",     "wqkv",     "query_key_value",
     "in_proj",      "q_a_proj", "q_b_proj",  "kv_b_proj", "kv_proj",  "in_proj_weight",
     "wq",           "wk",       "wv",        "to_q",      "to_k",     "kv_a_proj_with_mqa",
     "to_v",         "attn_q",   "attn_k",    "attn_v",    "attn_qkv", "attn_kv_a_mqa",
     "attn_q_a",     "attn_q_b", "attn_kv_b", "attn_k_b",  "attn_v_b", "w_pack",
     "cross_attn_q", "q_lin",    "k_lin",     "v_lin",     "q_linear", "cross_attn_k",
     "cross_attn_v"});
constexpr auto kAttentionOutputs = std::to_array<std::string_view>(
    {"o_proj", "out_proj", "attn_output", "attn_out", "to_out", "out_lin", "cross_attn_o"});
constexpr auto kUps = std::to_array<std::string_view>(
    {"fc1", "up_proj", "gate_up_proj", "ffn_up", "ffn_up_exps", "ffn_up_shexp", "c_fc",
     "dense_h_to_4h", "fc_in", "wi", "wi_1", "w3", "lin1", "linear1"});
constexpr auto kGates = std::to_array<std::string_view>(
    {"gate_proj", "ffn_gate", "ffn_gate_exps", "ffn_gate_shexp", "w1", "wi_0"});
constexpr auto kDowns = std::to_array<std::string_view>(
    {"fc2", "down_proj", "ffn_down", "ffn_down_exps", "ffn_down_shexp", "dense_4h_to_h", "fc_out",
     "w2", "lin2", "linear2"});
// Ends of names of what stands beside quantized weights: GPTQ, FP8, bitsandbytes.
constexpr auto kScaleEnds = std::to_array<std::string_view>(
    {"scale_inv", "qzeros", "zero_point", "zeros", ".absmax", ".quant_map", ".nested_absmax"});

bool holds(Words words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

/// Components that tell only by those before them, such as BERT's "dense".
TensorKind kind_in_context(std::string_view word, Words before) {
  const bool in_attention = std::ranges::any_of(before, [](std::string_view part) {
    return part.find("attn") != std::string_view::npos || part.find("att") == 0 ||
           part.find("attention") != std::string_view::npos;
  });
  const std::string_view parent = before.empty() ? std::string_view() : before.back();
  if (in_attention) {
    if (holds(std::array<std::string_view, 4>{"dense", "c_proj", "proj", "wo"}, word) ||
        word == "o") {
      return TensorKind::kAttentionOutput;
    }
    if (word == "q" || word == "k" || word == "v") return TensorKind::kAttentionInput;
    return TensorKind::kOther;
  }
  if (word == "c_proj" || word == "wo") return TensorKind::kDown;
  if (word == "dense" && parent == "intermediate") return TensorKind::kUp;
  if (word == "dense" && parent == "output") return TensorKind::kDown;
  if (word == "linear_0" && parent == "ffn") return TensorKind::kUp;
  if (word == "linear_1" && parent == "ffn") return TensorKind::kDown;
  return TensorKind::kOther;
}

TensorKind matrix_kind(std::string_view folded) {
  std::vector<std::string_view> words;
  for (size_t begin = 0; begin <= folded.size();) {
    const size_t end = std::min(folded.find_first_of("./", begin), folded.size());
    words.push_back(folded.substr(begin, end - begin));
    begin = end + 1;
  }
  // The innermost word that tells: "mlp.experts.0.w1" is w1.
  for (size_t i = words.size(); i-- > 0;) {
    if (holds(kAttentionInputs, words[i])) return TensorKind::kAttentionInput;
    if (holds(kAttentionOutputs, words[i])) return TensorKind::kAttentionOutput;
    if (holds(kUps, words[i])) return TensorKind::kUp;
    if (holds(kGates, words[i])) return TensorKind::kGate;
    if (holds(kDowns, words[i])) return TensorKind::kDown;
    const TensorKind kind = kind_in_context(words[i], std::span(words).first(i));
    if (kind != TensorKind::kOther) return kind;
  }
  return TensorKind::kOther;
}

}  // namespace

TensorKind tensor_kind(std::string_view name, size_t rank) {
  std::string folded(name);
  std::ranges::transform(folded, folded.begin(), [](char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + 32) : letter;
  });
  if (std::ranges::any_of(kScaleEnds,
                          [&](std::string_view end) { return folded.ends_with(end); })) {
    return TensorKind::kScale;
  }
  switch (tensor_role(name, rank)) {
    case TensorRole::kEmbedding:
      return TensorKind::kEmbedding;
    case TensorRole::kNorm:
      return TensorKind::kNorm;
    case TensorRole::kBias:
      return TensorKind::kBias;
    case TensorRole::kScale:
      return TensorKind::kScale;
    case TensorRole::kLinear:
      return matrix_kind(folded);
    case TensorRole::kOther:
      break;
  }
  return TensorKind::kOther;
}

}  // namespace qload::analyze
