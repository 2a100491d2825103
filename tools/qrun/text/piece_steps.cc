#include "tools/qrun/text/piece_steps.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "tools/qrun/text/character.h"
#include "tools/qrun/text/piece_text.h"
#include "tools/qrun/text/word_pattern.h"

namespace qload::qrun {
namespace {

/// Cuts each piece in parts of `part_bytes(rest)` bytes, at least 1.
template <class PartBytes>
void cut(std::vector<std::string>& pieces, const PartBytes& part_bytes) {
  std::vector<std::string> out;
  for (const std::string& piece : pieces) {
    for (std::string_view rest = piece; !rest.empty();) {
      const size_t bytes = part_bytes(rest);
      out.emplace_back(rest.substr(0, bytes));
      rest.remove_prefix(bytes);
    }
  }
  pieces = std::move(out);
}

void cut_words(std::vector<std::string>& pieces, WordPattern pattern) {
  cut(pieces, [&](std::string_view rest) { return first_word_bytes(rest, pattern); });
}

/// Up to the next number character, or that one.
size_t digit_bytes(std::string_view text) {
  size_t end = 0;
  while (end < text.size()) {
    const Character character = character_at(text, end);
    if (character.kind == CharacterKind::kNumber) return end == 0 ? character.bytes : end;
    end += character.bytes;
  }
  return end;
}

/// Up to the next run of number characters, or that one.
size_t number_bytes(std::string_view text) {
  const size_t end = run_end(text, 0, CharacterKind::kNumber);
  return end > 0 ? end : digit_bytes(text);
}

size_t bytes_before_space_sign(std::string_view text) {
  return std::min(text.find(kSpaceSign, 1), text.size());
}

void put_first(std::string& piece, std::string_view first) {
  if (!piece.starts_with(first)) piece.insert(0, first);
}

void apply(PieceStep step, bool at_start, std::vector<std::string>& pieces) {
  switch (step) {
    case PieceStep::kSpaceFirst:
      for (std::string& piece : pieces) put_first(piece, " ");
      return;
    case PieceStep::kCutByGpt2:
      return cut_words(pieces, WordPattern::kGpt2);
    case PieceStep::kCutByLlama3:
      return cut_words(pieces, WordPattern::kLlama3);
    case PieceStep::kCutDigits:
      return cut(pieces, digit_bytes);
    case PieceStep::kCutNumbers:
      return cut(pieces, number_bytes);
    case PieceStep::kToByteLetters:
      for (std::string& piece : pieces) piece = to_byte_letters(piece);
      return;
    case PieceStep::kToSpaceSigns:
      for (std::string& piece : pieces) piece = with_space_signs(piece);
      return;
    case PieceStep::kSpaceSignFirst:
      for (std::string& piece : pieces) put_first(piece, kSpaceSign);
      return;
    case PieceStep::kSpaceSignAtStart:
      if (at_start) put_first(pieces.front(), kSpaceSign);
      return;
    case PieceStep::kCutBeforeSpaceSign:
      return cut(pieces, bytes_before_space_sign);
  }
}

}  // namespace

std::vector<std::string> cut_pieces(std::string text, bool at_start,
                                    std::span<const PieceStep> steps) {
  std::vector<std::string> pieces;
  if (text.empty()) return pieces;
  pieces.push_back(std::move(text));
  for (const PieceStep step : steps) apply(step, at_start, pieces);
  return pieces;
}

}  // namespace qload::qrun
