// What a tokenizer.json says of everything around its model, read into a MergeVocabulary.
#pragma once

#include "qload/result.h"
#include "tools/qrun/text/merge_tokenizer.h"
#include "tools/qrun/text/tokenizer_section.h"

namespace qload::qrun {

/// How the texts of tokens spell what they stand for: the decoder.
enum class PieceSpelling {
  kByteLetters,  ///< from_byte_letters.
  kSpaceSigns,   ///< with_plain_spaces, and "<0x1F>" is a byte.
};

/// Sets form and steps: "normalizer" and "pre_tokenizer". kUnsupported, with its name, for a stage
/// that is not done here exactly.
Status read_cutting(const Section& root, MergeVocabulary& out);

/// Sets space_first. kUnsupported for a decoder that does not belong to out.steps.
Result<PieceSpelling> read_decoder(const Section& root, MergeVocabulary& out);

/// Sets first_tokens and last_tokens, whose numbers are as the file has them: "post_processor".
Status read_surroundings(const Section& root, MergeVocabulary& out);

}  // namespace qload::qrun
