// ScoreTokenizer: SentencePiece's byte-pair vocabularies as llama.cpp keeps them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qload/result.h"
#include "tools/qrun/text/token_numbers.h"
#include "tools/qrun/tokenizer.h"

namespace qload::qrun {

struct ScoreVocabulary {
  std::vector<std::string> pieces;      ///< What each token adds to a text, with plain spaces.
  TokenNumbers numbers;                 ///< Of the pieces that a text is cut in.
  std::vector<float> scores;            ///< Of each token.
  std::vector<uint32_t> byte_tokens;    ///< 256 of them, or none.
  std::optional<uint32_t> begin_token;  ///< Where texts begin with it.
  bool space_first = true;              ///< A text gets a space before it.
};

/// The pair of neighbours whose joined piece has the highest score is joined first, and a character
/// without a piece becomes its bytes.
class ScoreTokenizer final : public Tokenizer {
 public:
  /// REQUIRES: numbers, byte_tokens and begin_token less than the count of pieces and of scores.
  explicit ScoreTokenizer(ScoreVocabulary vocabulary);
  Result<std::vector<uint32_t>> encode(std::string_view text) const override;

 private:
  ScoreVocabulary vocabulary_;  // Without its pieces.
};

}  // namespace qload::qrun
