#include "tools/qrun/text/score_tokenizer.h"

#include <algorithm>
#include <utility>

#include "format/base/format_text.h"
#include "tools/qrun/text/piece_text.h"
#include "tools/qrun/text/symbol_joins.h"

namespace qload::qrun {
namespace {

/// Bytes of the UTF-8 character that begins with `first`; 1 for what begins none.
size_t character_bytes(char first) {
  const auto byte = static_cast<uint8_t>(first);
  if (byte >= 0xF0) return 4;
  if (byte >= 0xE0) return 3;
  return byte >= 0xC0 ? 2 : 1;
}

}  // namespace

ScoreTokenizer::ScoreTokenizer(ScoreVocabulary vocabulary)
    : Tokenizer(std::move(vocabulary.pieces), vocabulary.space_first),
      vocabulary_(std::move(vocabulary)) {}

Result<std::vector<uint32_t>> ScoreTokenizer::encode(std::string_view plain) const {
  // A sign for a space is a space, as it is to SentencePiece, which writes all spaces so.
  const std::string input =
      (vocabulary_.space_first && !plain.empty() ? " " : "") + with_plain_spaces(plain);
  const auto find = [&](size_t begin, size_t bytes) {
    const auto found = vocabulary_.numbers.find(std::string_view(input).substr(begin, bytes));
    return found == vocabulary_.numbers.end() ? kNoToken : found->second;
  };
  std::vector<Symbol> symbols;
  for (size_t at = 0; at < input.size();) {
    const size_t bytes = std::min(character_bytes(input[at]), input.size() - at);
    symbols.push_back({at, bytes, find(at, bytes)});
    at += bytes;
  }
  join_symbols(symbols, [&](const Symbol& left, const Symbol& right) {
    const uint32_t token = find(left.begin, left.bytes + right.bytes);
    if (token == kNoToken) return std::optional<JoinedPair>();
    return std::optional(JoinedPair{vocabulary_.scores[token], token});
  });

  std::vector<uint32_t> tokens;
  if (vocabulary_.begin_token) tokens.push_back(*vocabulary_.begin_token);
  for (const Symbol& symbol : symbols) {
    if (symbol.token != kNoToken) {
      tokens.push_back(symbol.token);
      continue;
    }
    const std::string_view piece = std::string_view(input).substr(symbol.begin, symbol.bytes);
    if (vocabulary_.byte_tokens.empty()) {
      return Error(ErrorCode::kUnsupported,
                   text("the vocabulary has no token for ", quote(piece), " and none for bytes"));
    }
    for (const char byte : piece) {
      tokens.push_back(vocabulary_.byte_tokens[static_cast<uint8_t>(byte)]);
    }
  }
  return tokens;
}

}  // namespace qload::qrun
