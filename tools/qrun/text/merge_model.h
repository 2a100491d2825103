// MergeModel: byte-pair encoding by a list of merges.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "qload/result.h"
#include "tools/qrun/text/symbol_joins.h"
#include "tools/qrun/text/token_numbers.h"

namespace qload::qrun {

/// The texts of two tokens that are joined to one.
using MergeTexts = std::pair<std::string, std::string>;

struct MergeOptions {
  /// A character without a token becomes its bytes, "<0x00>" to "<0xFF>".
  bool bytes_for_unknown = false;
  /// What stands for a character that has neither token nor bytes. Empty: encode fails.
  std::string unknown_text;
  /// Neighbours of that kind become one token.
  bool joins_unknown = false;
  /// A word that is a token is that one, whatever its merges would give.
  bool prefers_whole_words = false;
};

/// A word begins as one token a character; of all neighbours that a merge joins, the pair whose
/// merge stands first in the list is joined, again and again. Immutable; any thread may use it.
class MergeModel {
 public:
  MergeModel() = default;
  /// kCorrupt when a merge's texts or what they join to, or unknown_text, are not in the
  /// vocabulary, or a merge stands in the list twice. kUnsupported when bytes are wanted and not
  /// all there.
  static Result<MergeModel> create(TokenNumbers numbers, std::span<const MergeTexts> merges,
                                   const MergeOptions& options);

  /// Appends the tokens of `word`. kUnsupported for a character that no token stands for.
  /// REQUIRES: valid UTF-8.
  Status encode(std::string_view word, std::vector<uint32_t>& tokens) const;

  /// What the merges take.
  uint64_t merge_bytes() const { return merges_.size() * sizeof(Merge); }

 private:
  struct Merge {
    uint64_t pair;  // The left token in the upper half.
    uint32_t rank;
    uint32_t token;
  };
  Status add_merges(std::span<const MergeTexts> merges);
  Result<uint32_t> number_of(const std::string& text, size_t merge) const;
  Result<std::vector<Symbol>> first_symbols(std::string_view word) const;
  std::optional<JoinedPair> find_pair(uint32_t left, uint32_t right) const;

  TokenNumbers numbers_;
  std::vector<Merge> merges_;          // By pair.
  std::vector<uint32_t> byte_tokens_;  // 256 of them, or none.
  uint32_t unknown_token_ = kNoToken;
  bool joins_unknown_ = false;
  bool prefers_whole_words_ = false;
};

}  // namespace qload::qrun
