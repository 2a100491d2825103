// The regular expressions by which byte-level vocabularies cut a text into words, written out.
#pragma once

#include <cstddef>
#include <string_view>

namespace qload::qrun {

enum class WordPattern {
  /// GPT-2's: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  kGpt2,
  /// Llama 3's: (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
  ///  ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+  (one line, with a space before the ?)
  kLlama3,
};

/// The bytes of the word that `text` begins with: at least one character, since each pattern takes
/// any. What stands before the text does not matter to them. REQUIRES: valid UTF-8, not empty.
size_t first_word_bytes(std::string_view text, WordPattern pattern);

}  // namespace qload::qrun
