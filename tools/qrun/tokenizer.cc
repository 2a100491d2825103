#include "tools/qrun/tokenizer.h"

namespace qload::qrun {

std::string Tokenizer::decode(uint32_t token) const {
  return token < pieces_.size() ? pieces_[token] : std::string();
}

std::string Tokenizer::decode(std::span<const uint32_t> tokens) const {
  std::string out;
  for (const uint32_t token : tokens) out += decode(token);
  if (space_first_ && out.starts_with(' ')) out.erase(0, 1);
  return out;
}

}  // namespace qload::qrun
