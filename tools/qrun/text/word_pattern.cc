#include "tools/qrun/text/word_pattern.h"

#include "tools/qrun/text/character.h"

namespace qload::qrun {
namespace {

/// An ASCII letter in lower case. U+017F, the long s, is an s to a pattern that heeds no case.
char fold_case(const Character& character) {
  if (character.code >= 'A' && character.code <= 'Z') return static_cast<char>(character.code + 32);
  if (character.code == 0x17F) return 's';
  return character.code < 0x80 ? static_cast<char>(character.code) : '\0';
}

/// 's, 't, 're, 've, 'm, 'll or 'd. 0 when the text begins with none of them.
size_t contraction_bytes(std::string_view text, bool heeds_case) {
  if (text.size() < 2 || text[0] != '\'') return 0;
  const auto letter = [&](const Character& character) {
    if (!heeds_case) return fold_case(character);
    return character.code < 0x80 ? static_cast<char>(character.code) : '\0';
  };
  const Character first = character_at(text, 1);
  const char one = letter(first);
  if (one == 's' || one == 't' || one == 'm' || one == 'd') return 1 + first.bytes;
  if (one != 'r' && one != 'v' && one != 'l') return 0;
  if (1 + first.bytes >= text.size()) return 0;
  const Character second = character_at(text, 1 + first.bytes);
  return letter(second) == (one == 'l' ? 'l' : 'e') ? 1 + first.bytes + second.bytes : 0;
}

/// \s+(?!\S)|\s+: white space but for the last character when a word follows, which may begin with
/// it. REQUIRES: the text begins with white space.
size_t space_bytes(std::string_view text) {
  const size_t end = run_end(text, 0, CharacterKind::kSpace);
  if (end == text.size()) return end;
  size_t last = 0;
  for (size_t next = 0; next < end; next += character_at(text, next).bytes) last = next;
  return last == 0 ? end : last;
}

size_t gpt2_word_bytes(std::string_view text) {
  if (const size_t bytes = contraction_bytes(text, true)) return bytes;
  const size_t begin = text[0] == ' ' ? 1 : 0;
  if (begin < text.size()) {
    const CharacterKind kind = character_at(text, begin).kind;
    if (kind != CharacterKind::kSpace) return run_end(text, begin, kind);
  }
  return space_bytes(text);
}

bool is_line_end(char byte) { return byte == '\r' || byte == '\n'; }

/// \s*[\r\n]+: white space up to the last line end in it, or else as in space_bytes.
size_t line_bytes(std::string_view text) {
  const size_t end = run_end(text, 0, CharacterKind::kSpace);
  const size_t last = text.substr(0, end).find_last_of("\r\n");
  return last == std::string_view::npos ? space_bytes(text) : last + 1;
}

size_t llama3_word_bytes(std::string_view text) {
  if (const size_t bytes = contraction_bytes(text, false)) return bytes;
  const Character first = character_at(text, 0);
  if (first.kind == CharacterKind::kNumber) {
    size_t end = first.bytes;
    for (int more = 0; more < 2 && end < text.size(); ++more) {
      const Character next = character_at(text, end);
      if (next.kind != CharacterKind::kNumber) break;
      end += next.bytes;
    }
    return end;
  }
  if (first.kind == CharacterKind::kLetter) return run_end(text, 0, CharacterKind::kLetter);
  if (!is_line_end(text[0])) {
    const size_t end = run_end(text, first.bytes, CharacterKind::kLetter);
    if (end > first.bytes) return end;
  }
  const size_t begin = text[0] == ' ' ? 1 : 0;
  size_t end = run_end(text, begin, CharacterKind::kOther);
  if (end > begin) {
    while (end < text.size() && is_line_end(text[end])) ++end;
    return end;
  }
  return line_bytes(text);
}

}  // namespace

size_t first_word_bytes(std::string_view text, WordPattern pattern) {
  return pattern == WordPattern::kGpt2 ? gpt2_word_bytes(text) : llama3_word_bytes(text);
}

}  // namespace qload::qrun
