#include "format/pack/tensor_role.h"

#include <algorithm>
#include <array>
#include <span>

namespace qload {
namespace {

char lower(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + 32) : letter;
}

bool holds_any(const std::string& name, std::span<const std::string_view> parts) {
  return std::ranges::any_of(
      parts, [&](std::string_view part) { return name.find(part) != std::string::npos; });
}

}  // namespace

TensorRole tensor_role(std::string_view name, size_t rank) {
  // As safetensors of transformers and GGUF of llama.cpp spell them.
  static constexpr std::array<std::string_view, 7> kEmbeddings = {
      "embed", "embd", "wte.", "wpe.", "lm_head", "output.weight", "tok_emb"};
  static constexpr std::array<std::string_view, 3> kNorms = {"norm", "ln_", ".ln"};
  std::string folded(name);
  std::ranges::transform(folded, folded.begin(), lower);
  if (folded.ends_with("bias")) return TensorRole::kBias;
  if (folded.ends_with("scale") || folded.ends_with("scales")) return TensorRole::kScale;
  if (holds_any(folded, kNorms)) return TensorRole::kNorm;
  const bool is_attention = folded.find("attn_output") != std::string::npos;
  if (rank >= 2 && !is_attention && holds_any(folded, kEmbeddings)) return TensorRole::kEmbedding;
  return rank >= 2 ? TensorRole::kLinear : TensorRole::kOther;
}

std::string_view tensor_role_name(TensorRole role) {
  switch (role) {
    case TensorRole::kEmbedding:
      return "embedding";
    case TensorRole::kLinear:
      return "linear";
    case TensorRole::kNorm:
      return "norm";
    case TensorRole::kBias:
      return "bias";
    case TensorRole::kScale:
      return "scale";
    case TensorRole::kOther:
      return "other";
  }
  return "other";
}

std::string name_without_numbers(std::string_view name) {
  std::string out;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find_first_of("./", begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (part.find_first_not_of("0123456789") != std::string_view::npos) out += part;
    if (end < name.size()) out += name[end];
    begin = end + 1;
  }
  return out;
}

}  // namespace qload
