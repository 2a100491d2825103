// From a text to the pieces that are encoded each for itself: the pre-tokenizers of tokenizer.json.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace qload::qrun {

/// What is done to every piece in turn. A pre-tokenizer is a list of these.
enum class PieceStep {
  kSpaceFirst,         ///< A space is put before a piece that begins with none.
  kCutByGpt2,          ///< WordPattern::kGpt2.
  kCutByLlama3,        ///< WordPattern::kLlama3.
  kCutDigits,          ///< Each number character is a piece of its own.
  kCutNumbers,         ///< Each run of number characters is.
  kToByteLetters,      ///< Bytes become the letters of byte-level vocabularies. Comes last.
  kToSpaceSigns,       ///< Spaces become U+2581.
  kSpaceSignFirst,     ///< U+2581 is put before a piece that begins with none.
  kSpaceSignAtStart,   ///< The same, only for the piece that the whole text begins with.
  kCutBeforeSpaceSign  ///< Each U+2581 begins a piece.
};

/// The pieces of `text` in order, none empty. `at_start` says that the whole text begins with it.
/// REQUIRES: valid UTF-8.
std::vector<std::string> cut_pieces(std::string text, bool at_start,
                                    std::span<const PieceStep> steps);

}  // namespace qload::qrun
