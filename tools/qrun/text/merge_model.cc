#include "tools/qrun/text/merge_model.h"

#include <algorithm>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/qrun/text/character.h"
#include "tools/qrun/text/piece_text.h"

namespace qload::qrun {
namespace {

Error corrupt(std::string message) { return Error(ErrorCode::kCorrupt, std::move(message)); }

uint64_t pair_of(uint32_t left, uint32_t right) { return uint64_t{left} << 32 | right; }

}  // namespace

Result<MergeModel> MergeModel::create(TokenNumbers numbers, std::span<const MergeTexts> merges,
                                      const MergeOptions& options) {
  MergeModel model;
  model.numbers_ = std::move(numbers);
  model.joins_unknown_ = options.joins_unknown;
  model.prefers_whole_words_ = options.prefers_whole_words;
  QLOAD_CHECK(model.add_merges(merges));
  if (!options.unknown_text.empty()) {
    const auto found = model.numbers_.find(options.unknown_text);
    if (found == model.numbers_.end()) {
      return corrupt(
          text("unknown token ", quote(options.unknown_text), " is not in the vocabulary"));
    }
    model.unknown_token_ = found->second;
  }
  for (uint32_t byte = 0; options.bytes_for_unknown && byte < 256; ++byte) {
    const std::string piece = byte_piece(static_cast<uint8_t>(byte));
    const auto found = model.numbers_.find(piece);
    if (found == model.numbers_.end()) {
      return Error(ErrorCode::kUnsupported,
                   text("byte_fallback without a token ", quote(piece), " in the vocabulary"));
    }
    model.byte_tokens_.push_back(found->second);
  }
  return model;
}

Result<uint32_t> MergeModel::number_of(const std::string& piece, size_t merge) const {
  const auto found = numbers_.find(piece);
  if (found != numbers_.end()) return found->second;
  return corrupt(text("merge ", merge, " has ", quote(piece), ", which is not in the vocabulary"));
}

Status MergeModel::add_merges(std::span<const MergeTexts> merges) {
  merges_.reserve(merges.size());
  for (size_t i = 0; i < merges.size(); ++i) {
    const auto& [left, right] = merges[i];
    QLOAD_TRY(const uint32_t left_token, number_of(left, i));
    QLOAD_TRY(const uint32_t right_token, number_of(right, i));
    QLOAD_TRY(const uint32_t token, number_of(left + right, i));
    merges_.push_back({pair_of(left_token, right_token), static_cast<uint32_t>(i), token});
  }
  std::ranges::sort(merges_, {}, &Merge::pair);
  const auto same = std::ranges::adjacent_find(merges_, {}, &Merge::pair);
  if (same == merges_.end()) return Ok{};
  return corrupt(text("merges ", same->rank, " and ", (same + 1)->rank, " join the same tokens"));
}

std::optional<JoinedPair> MergeModel::find_pair(uint32_t left, uint32_t right) const {
  const uint64_t pair = pair_of(left, right);
  const auto found = std::ranges::lower_bound(merges_, pair, {}, &Merge::pair);
  if (found == merges_.end() || found->pair != pair) return std::nullopt;
  return JoinedPair{.priority = -static_cast<double>(found->rank), .token = found->token};
}

Result<std::vector<Symbol>> MergeModel::first_symbols(std::string_view word) const {
  std::vector<Symbol> symbols;
  bool after_unknown = false;
  for (size_t at = 0; at < word.size();) {
    const size_t bytes = character_at(word, at).bytes;
    const auto found = numbers_.find(word.substr(at, bytes));
    const bool is_unknown = found == numbers_.end() && byte_tokens_.empty();
    if (found != numbers_.end()) {
      symbols.push_back({at, bytes, found->second});
    } else if (!is_unknown) {
      for (size_t i = at; i < at + bytes; ++i) {
        symbols.push_back({i, 1, byte_tokens_[static_cast<uint8_t>(word[i])]});
      }
    } else if (unknown_token_ == kNoToken) {
      return Error(ErrorCode::kUnsupported,
                   text("the vocabulary has no token for ", quote(word.substr(at, bytes))));
    } else if (after_unknown && joins_unknown_) {
      symbols.back().bytes += bytes;
    } else {
      symbols.push_back({at, bytes, unknown_token_});
    }
    after_unknown = is_unknown;
    at += bytes;
  }
  return symbols;
}

Status MergeModel::encode(std::string_view word, std::vector<uint32_t>& tokens) const {
  if (prefers_whole_words_) {
    if (const auto found = numbers_.find(word); found != numbers_.end()) {
      tokens.push_back(found->second);
      return Ok{};
    }
  }
  QLOAD_TRY(std::vector<Symbol> symbols, first_symbols(word));
  join_symbols(symbols, [&](const Symbol& left, const Symbol& right) {
    return find_pair(left.token, right.token);
  });
  for (const Symbol& symbol : symbols) tokens.push_back(symbol.token);
  return Ok{};
}

}  // namespace qload::qrun
