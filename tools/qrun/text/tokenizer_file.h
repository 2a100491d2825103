// TokenizerFile: a tokenizer.json in memory, its two long lists apart from the rest.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string_view>
#include <vector>

#include "qload/result.h"
#include "tools/qrun/text/merge_model.h"
#include "tools/qrun/text/token_numbers.h"

namespace qload::qrun {

/// Of a tokenizer.json: those of Llama 3 and Gemma have 9 and 33 MB.
inline constexpr uint64_t kTokenizerBytesMax = 64u << 20;
/// Tokens of a vocabulary, eight times the largest known.
inline constexpr uint32_t kVocabularyTokensMax = 1u << 21;

struct TokenizerFile {
  /// All but "vocab" and "merges" of "model". An object. Fractions and negative numbers are -1.
  std::shared_ptr<const nlohmann::json> settings;
  TokenNumbers numbers;            ///< "vocab": texts and tokens, each once.
  std::vector<MergeTexts> merges;  ///< "merges", which may be "a b" or ["a", "b"].
  bool has_numbers = false;        ///< "vocab" is an object. Other kinds of model have lists.
  bool has_merges = false;         ///< "merges" is a list.
};

/// kCorrupt, with the offset, where `json` is not JSON, its settings have a key twice or more than
/// a million values, or the two lists hold something else; and where it is larger than the limits
/// above.
Result<TokenizerFile> parse_tokenizer_file(std::string_view json);

}  // namespace qload::qrun
