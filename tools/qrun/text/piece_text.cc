#include "tools/qrun/text/piece_text.h"

#include <array>
#include <charconv>

namespace qload::qrun {
namespace {

constexpr uint32_t kLetterCount = 0x144;

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  while (true) {
    const size_t at = text.find(from);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    out += to;
    text.remove_prefix(at + from.size());
  }
}

/// Printable in Latin-1, the soft hyphen not among them.
constexpr bool is_own_letter(uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

constexpr std::array<uint16_t, 256> make_letters() {
  std::array<uint16_t, 256> letters{};
  uint16_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    letters[byte] = is_own_letter(byte) ? static_cast<uint16_t>(byte) : next++;
  }
  return letters;
}
constexpr std::array<uint16_t, 256> kLetters = make_letters();

constexpr std::array<int16_t, kLetterCount> make_bytes() {
  std::array<int16_t, kLetterCount> bytes{};
  for (int16_t& byte : bytes) byte = -1;
  for (size_t byte = 0; byte < 256; ++byte) bytes[kLetters[byte]] = static_cast<int16_t>(byte);
  return bytes;
}
constexpr std::array<int16_t, kLetterCount> kBytes = make_bytes();

}  // namespace

std::string with_space_signs(std::string_view text) { return replace_all(text, " ", kSpaceSign); }
std::string with_plain_spaces(std::string_view piece) {
  return replace_all(piece, kSpaceSign, " ");
}

std::optional<uint8_t> find_byte(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece.back() != '>') return std::nullopt;
  uint8_t byte = 0;
  const auto [end, error] = std::from_chars(piece.data() + 3, piece.data() + 5, byte, 16);
  if (error != std::errc() || end != piece.data() + 5) return std::nullopt;
  return byte;
}

std::string byte_piece(uint8_t byte) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  return std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + ">";
}

std::string to_byte_letters(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) {
    const uint16_t letter = kLetters[static_cast<uint8_t>(byte)];
    if (letter < 0x80) {
      out += static_cast<char>(letter);
    } else {
      out += static_cast<char>(0xC0 | letter >> 6);
      out += static_cast<char>(0x80 | (letter & 0x3F));
    }
  }
  return out;
}

std::optional<std::string> from_byte_letters(std::string_view letters) {
  std::string out;
  for (size_t i = 0; i < letters.size(); ++i) {
    uint32_t code = static_cast<uint8_t>(letters[i]);
    if (code >= 0x80) {
      // All letters beyond ASCII have two bytes of UTF-8: 110xxxxx 10xxxxxx.
      if ((code & 0xE0) != 0xC0 || ++i == letters.size()) return std::nullopt;
      const uint32_t low = static_cast<uint8_t>(letters[i]);
      if ((low & 0xC0) != 0x80) return std::nullopt;
      code = (code & 0x1F) << 6 | (low & 0x3F);
    }
    if (code >= kLetterCount || kBytes[code] < 0) return std::nullopt;
    out += static_cast<char>(kBytes[code]);
  }
  return out;
}

}  // namespace qload::qrun
