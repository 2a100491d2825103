#include "tools/qrun/text/character.h"

#include <algorithm>

#include "tools/qrun/text/unicode_ranges.h"

namespace qload::qrun {
namespace {

bool is_in(std::span<const CodeRange> ranges, uint32_t code) {
  const auto after = std::ranges::upper_bound(ranges, code, {}, &CodeRange::first);
  return after != ranges.begin() && code <= (after - 1)->last;
}

/// White_Space in PropList.txt.
bool is_space(uint32_t code) {
  return (code >= 0x09 && code <= 0x0D) || code == 0x20 || code == 0x85 || code == 0xA0 ||
         code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 ||
         code == 0x202F || code == 0x205F || code == 0x3000;
}

}  // namespace

CharacterKind character_kind(uint32_t code) {
  if (is_space(code)) return CharacterKind::kSpace;
  if (is_in(letter_ranges(), code)) return CharacterKind::kLetter;
  if (is_in(number_ranges(), code)) return CharacterKind::kNumber;
  return CharacterKind::kOther;
}

Character character_at(std::string_view text, size_t offset) {
  const auto byte = [&](size_t i) { return uint32_t{static_cast<uint8_t>(text[offset + i])}; };
  Character out;
  const uint32_t first = byte(0);
  out.bytes = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  // The first byte of n has n ones and a zero before its bits.
  out.code = out.bytes == 1 ? first : first & (0x7Fu >> out.bytes);
  for (size_t i = 1; i < out.bytes; ++i) out.code = out.code << 6 | (byte(i) & 0x3F);
  out.kind = character_kind(out.code);
  return out;
}

size_t run_end(std::string_view text, size_t offset, CharacterKind kind) {
  while (offset < text.size()) {
    const Character character = character_at(text, offset);
    if (character.kind != kind) break;
    offset += character.bytes;
  }
  return offset;
}

}  // namespace qload::qrun
