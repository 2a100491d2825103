// How vocabularies spell spaces and bytes in the texts of their tokens.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace qload::qrun {

/// SentencePiece's sign for a space, U+2581.
inline constexpr std::string_view kSpaceSign = "\xE2\x96\x81";

std::string with_space_signs(std::string_view text);
std::string with_plain_spaces(std::string_view piece);

/// The byte that "<0x1F>" stands for.
std::optional<uint8_t> find_byte(std::string_view piece);
/// "<0x1F>".
std::string byte_piece(uint8_t byte);

/// Byte-level vocabularies (GPT-2's and what came of it) write each byte as one character: the
/// printable ones of Latin-1 as themselves, the other 68 in their order as U+0100 to U+0143. A
/// space is U+0120.
std::string to_byte_letters(std::string_view bytes);
/// The bytes; nothing when a character is no such letter.
std::optional<std::string> from_byte_letters(std::string_view letters);

}  // namespace qload::qrun
