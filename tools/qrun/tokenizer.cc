#include "tools/qrun/tokenizer.h"

namespace qload::qrun {
namespace {

// A piece, and a node and its place in a table of numbers, with what the allocator adds. With the
// texts twice and 16 bytes a merge that is 27 MB for Llama 3's vocabulary, which takes 25 MB.
constexpr uint64_t kTokenBytes = 160;

}  // namespace

uint64_t Tokenizer::memory_bytes() const {
  uint64_t bytes = pieces_.size() * kTokenBytes;
  for (const std::string& piece : pieces_) bytes += 2 * piece.size();
  return bytes;
}

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
