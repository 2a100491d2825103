// MergeTokenizer: byte-pair vocabularies with merges, byte-level ones and others.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "qload/result.h"
#include "tools/qrun/text/added_tokens.h"
#include "tools/qrun/text/merge_model.h"
#include "tools/qrun/text/piece_steps.h"
#include "tools/qrun/tokenizer.h"

namespace qload::qrun {

/// What is done to all text between added tokens.
struct TextForm {
  bool space_sign_first = false;  ///< U+2581 is put before it, unless it is empty.
  bool to_space_signs = false;    ///< Spaces become U+2581.
  std::string apply(std::string_view text) const;
};

struct MergeVocabulary {
  std::vector<std::string> pieces;  ///< What each token adds to a text.
  bool space_first = false;         ///< A space before a decoded text is not the text's own.
  MergeModel model;
  AddedTokens plain_added;   ///< Found in the text as it is given.
  AddedTokens formed_added;  ///< Found in the text after `form`; their own texts have it.
  TextForm form;
  std::vector<PieceStep> steps;
  std::vector<uint32_t> first_tokens;  ///< Before every text.
  std::vector<uint32_t> last_tokens;   ///< After it.
};

/// Cuts a text at added tokens, what is between them in pieces, and joins in each piece by merges.
class MergeTokenizer final : public Tokenizer {
 public:
  explicit MergeTokenizer(MergeVocabulary vocabulary);
  Result<std::vector<uint32_t>> encode(std::string_view text) const override;
  uint64_t memory_bytes() const override;

 private:
  /// Text between the added tokens of the first kind.
  Status encode_plain(const TextPart& part, bool at_start, std::vector<uint32_t>& tokens) const;

  MergeVocabulary vocabulary_;  // Without its pieces.
};

}  // namespace qload::qrun
