#include "tools/chart/markup.h"

#include <algorithm>
#include <cstdint>

#include "format/base/format_text.h"

namespace qload::chart {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::string_view kMarkup = "&<>\"'";
constexpr std::string_view kEntities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

/// Bytes of the character that `text` begins with.
size_t character_bytes(std::string_view text) {
  size_t bytes = 1;
  while (bytes < text.size() && is_continuation(text[bytes])) ++bytes;
  return bytes;
}

uint32_t code_point(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first;
  uint32_t point = first & (0x7Fu >> character.size());
  for (const char byte : character.substr(1)) {
    point = point << 6 | (static_cast<unsigned char>(byte) & 0x3F);
  }
  return point;
}

/// Control characters, noncharacters, and marks that embed, override or isolate a direction
/// (Unicode Standard Annex 9, 2.1 to 2.6).
bool is_unfit(uint32_t point) {
  if (point < 0x20 || (point >= 0x7F && point < 0xA0)) return true;
  if ((point & 0xFFFE) == 0xFFFE || (point >= 0xFDD0 && point <= 0xFDEF)) return true;
  return point == 0x061C || point == 0x200E || point == 0x200F ||
         (point >= 0x202A && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
}

void append_character(std::string& out, std::string_view character) {
  const size_t entity = kMarkup.find(character[0]);
  if (entity != std::string_view::npos) {
    out += kEntities[entity];
  } else if (character[0] == '\t' || character[0] == '\n' || character[0] == '\r') {
    out += ' ';
  } else {
    out += is_unfit(code_point(character)) ? kReplacement : character;
  }
}

}  // namespace

std::string escape_markup(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t sound_bytes = std::min(find_not_utf8(text), text.size());
    for (std::string_view sound = text.substr(0, sound_bytes); !sound.empty();) {
      const size_t bytes = character_bytes(sound);
      append_character(out, sound.substr(0, bytes));
      sound.remove_prefix(bytes);
    }
    text.remove_prefix(sound_bytes);
    if (text.empty()) break;
    out += kReplacement;
    text.remove_prefix(1);
  }
  return out;
}

std::vector<std::string_view> split_characters(std::string_view text) {
  std::vector<std::string_view> characters;
  while (!text.empty()) {
    const size_t bytes = character_bytes(text);
    characters.push_back(text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
  return characters;
}

}  // namespace qload::chart
