#include "tools/qrun/tokenizer.h"

#include <charconv>
#include <queue>
#include <utility>

#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::qrun {
namespace {

// SentencePiece's sign for a space, U+2581.
constexpr std::string_view kSpaceSign = "\xE2\x96\x81";
constexpr uint32_t kNoToken = 0xFFFF'FFFF;

// llama.h, enum llama_token_type.
constexpr int32_t kTypeUnknown = 2;
constexpr int32_t kTypeControl = 3;
constexpr int32_t kTypeByte = 6;

Error corrupt(std::string message) { return Error(ErrorCode::kCorrupt, std::move(message)); }

std::string with_plain_spaces(std::string_view piece) {
  std::string out;
  while (true) {
    const size_t sign = piece.find(kSpaceSign);
    out += piece.substr(0, sign);
    if (sign == std::string_view::npos) return out;
    out += ' ';
    piece.remove_prefix(sign + kSpaceSign.size());
  }
}

/// The byte that "<0x1F>" stands for.
std::optional<uint8_t> byte_of(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece.back() != '>') return std::nullopt;
  uint8_t byte = 0;
  const auto [end, error] = std::from_chars(piece.data() + 3, piece.data() + 5, byte, 16);
  if (error != std::errc() || end != piece.data() + 5) return std::nullopt;
  return byte;
}

/// Bytes of the UTF-8 character that begins with `first`; 1 for what begins none.
size_t character_bytes(char first) {
  const auto byte = static_cast<uint8_t>(first);
  if (byte >= 0xF0) return 4;
  if (byte >= 0xE0) return 3;
  return byte >= 0xC0 ? 2 : 1;
}

/// A part of the text that is one piece, or will be joined with its neighbours. A doubly linked
/// list in an array: what is joined to its left neighbour has no bytes any more.
struct Symbol {
  size_t begin;
  size_t bytes;
  size_t previous;
  size_t next;
};
constexpr size_t kNone = static_cast<size_t>(-1);

/// A pair of neighbours that could be joined. Stale when one of them has changed meanwhile.
struct Join {
  float score;
  size_t left;
  size_t right;
  size_t bytes;
  /// The highest score first, and of equals the leftmost.
  bool operator<(const Join& other) const {
    return score != other.score ? score < other.score : left > other.left;
  }
};

}  // namespace

Result<std::optional<Tokenizer>> Tokenizer::read_gguf(const GgufValues& values,
                                                      uint32_t vocabulary_size) {
  QLOAD_TRY(const auto model, values.find_text("tokenizer.ggml.model"));
  if (model != std::string_view("llama") || !values.has("tokenizer.ggml.scores")) {
    return std::optional<Tokenizer>();
  }
  QLOAD_TRY(const auto texts, values.find_texts("tokenizer.ggml.tokens"));
  QLOAD_TRY(const auto scores, values.find_floats("tokenizer.ggml.scores"));
  QLOAD_TRY(const auto types, values.find_integers("tokenizer.ggml.token_type"));
  if (texts.size() != vocabulary_size || scores.size() != vocabulary_size ||
      (!types.empty() && types.size() != vocabulary_size)) {
    return corrupt(text("GGUF vocabulary has ", texts.size(), " tokens, ", scores.size(),
                        " scores and ", types.size(), " types, expected ", vocabulary_size,
                        " of each"));
  }
  Tokenizer tokenizer;
  QLOAD_CHECK(tokenizer.add_pieces(texts, scores, types));
  QLOAD_TRY(const auto begin_wanted, values.find_bool("tokenizer.ggml.add_bos_token"));
  QLOAD_TRY(const auto begin, values.find_count("tokenizer.ggml.bos_token_id"));
  if (begin && *begin >= vocabulary_size) {
    return corrupt(text("GGUF begin token is ", *begin, " of ", vocabulary_size));
  }
  if (begin && begin_wanted.value_or(true)) {
    tokenizer.begin_token_ = static_cast<uint32_t>(*begin);
  }
  QLOAD_TRY(const auto space, values.find_bool("tokenizer.ggml.add_space_prefix"));
  tokenizer.space_first_ = space.value_or(true);
  tokenizer.index_pieces();
  return std::optional(std::move(tokenizer));
}

Status Tokenizer::add_pieces(const std::vector<std::string_view>& texts,
                             const std::vector<float>& scores, const std::vector<int32_t>& types) {
  std::vector<uint32_t> byte_tokens(256, kNoToken);
  size_t byte_count = 0;
  for (uint32_t i = 0; i < texts.size(); ++i) {
    Piece piece{.text = with_plain_spaces(texts[i]), .score = scores[i]};
    const int32_t type = types.empty() ? 0 : types[i];
    if (type == kTypeControl || type == kTypeUnknown) piece.kind = Kind::kControl;
    if (type == kTypeByte) {
      const auto byte = byte_of(texts[i]);
      if (!byte) return corrupt(text("GGUF byte token ", i, " is ", quote(texts[i])));
      piece.kind = Kind::kByte;
      piece.text = static_cast<char>(*byte);
      byte_count += byte_tokens[*byte] == kNoToken ? 1 : 0;
      byte_tokens[*byte] = i;
    }
    pieces_.push_back(std::move(piece));
  }
  if (byte_count == byte_tokens.size()) byte_tokens_ = std::move(byte_tokens);
  return Ok{};
}

void Tokenizer::index_pieces() {
  for (uint32_t i = 0; i < pieces_.size(); ++i) {
    // Of equal texts the first token wins.
    if (pieces_[i].kind == Kind::kNormal) by_text_.emplace(pieces_[i].text, i);
  }
}

Result<std::vector<uint32_t>> Tokenizer::encode(std::string_view plain) const {
  const std::string input = (space_first_ && !plain.empty() ? " " : "") + std::string(plain);
  std::vector<Symbol> symbols;
  for (size_t at = 0; at < input.size();) {
    const size_t bytes = std::min(character_bytes(input[at]), input.size() - at);
    const size_t number = symbols.size();
    symbols.push_back({at, bytes, number == 0 ? kNone : number - 1, number + 1});
    at += bytes;
  }
  if (!symbols.empty()) symbols.back().next = kNone;

  std::priority_queue<Join> joins;
  auto consider = [&](size_t left, size_t right) {
    if (left == kNone || right == kNone) return;
    const size_t bytes = symbols[left].bytes + symbols[right].bytes;
    const auto found = by_text_.find(input.substr(symbols[left].begin, bytes));
    if (found != by_text_.end()) joins.push({pieces_[found->second].score, left, right, bytes});
  };
  for (size_t i = 1; i < symbols.size(); ++i) consider(i - 1, i);
  while (!joins.empty()) {
    const Join join = joins.top();
    joins.pop();
    Symbol& left = symbols[join.left];
    Symbol& right = symbols[join.right];
    const bool stale =
        left.bytes == 0 || right.bytes == 0 || left.bytes + right.bytes != join.bytes;
    if (stale) continue;
    left.bytes = join.bytes;
    right.bytes = 0;
    left.next = right.next;
    if (left.next != kNone) symbols[left.next].previous = join.left;
    consider(left.previous, join.left);
    consider(join.left, left.next);
  }

  std::vector<uint32_t> tokens;
  if (begin_token_) tokens.push_back(*begin_token_);
  for (const Symbol& symbol : symbols) {
    if (symbol.bytes == 0) continue;
    const std::string piece = input.substr(symbol.begin, symbol.bytes);
    if (const auto found = by_text_.find(piece); found != by_text_.end()) {
      tokens.push_back(found->second);
      continue;
    }
    if (byte_tokens_.empty()) {
      return Error(ErrorCode::kUnsupported,
                   text("the vocabulary has no token for ", quote(piece), " and none for bytes"));
    }
    for (const char byte : piece) tokens.push_back(byte_tokens_[static_cast<uint8_t>(byte)]);
  }
  return tokens;
}

std::string Tokenizer::decode(uint32_t token) const {
  const Piece& piece = pieces_[token];
  return piece.kind == Kind::kControl ? std::string() : piece.text;
}

std::string Tokenizer::decode(std::span<const uint32_t> tokens) const {
  std::string out;
  for (const uint32_t token : tokens) out += decode(token);
  if (space_first_ && out.starts_with(' ')) out.erase(0, 1);
  return out;
}

}  // namespace qload::qrun
