// Characters of a text, and the classes that word patterns distinguish.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace qload::qrun {

enum class CharacterKind { kLetter, kNumber, kSpace, kOther };

struct Character {
  uint32_t code = 0;  ///< Code point.
  size_t bytes = 0;   ///< Of its UTF-8.
  CharacterKind kind = CharacterKind::kOther;
};

/// General category L or N, or White_Space, of Unicode 16; kOther is all that is none of them.
/// These are \p{L}, \p{N} and \s of the patterns in tokenizer files.
CharacterKind character_kind(uint32_t code);

/// The character that begins at `offset`. REQUIRES: valid UTF-8; offset is a character's, less than
/// the size.
Character character_at(std::string_view text, size_t offset);

/// The end of the run of characters of `kind` that begins at `offset`, which may be the text's end.
size_t run_end(std::string_view text, size_t offset, CharacterKind kind);

}  // namespace qload::qrun
