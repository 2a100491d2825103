// Words as the patterns of GPT-2 and Llama 3 cut them, and the classes of characters they name.
#include "tools/qrun/text/word_pattern.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tools/qrun/text/character.h"
#include "tools/qrun/text/unicode_ranges.h"

namespace qload::qrun {
namespace {

using Words = std::vector<std::string>;

Words cut(std::string_view text, WordPattern pattern) {
  Words words;
  while (!text.empty()) {
    const size_t bytes = first_word_bytes(text, pattern);
    EXPECT_GT(bytes, 0u);
    EXPECT_LE(bytes, text.size());
    if (bytes == 0 || bytes > text.size()) break;
    words.emplace_back(text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
  return words;
}
Words gpt2(std::string_view text) { return cut(text, WordPattern::kGpt2); }
Words llama3(std::string_view text) { return cut(text, WordPattern::kLlama3); }

TEST(WordPattern, SpaceGoesWithTheWordBehindIt) {
  EXPECT_EQ(gpt2("Hello world 42 !?"), (Words{"Hello", " world", " 42", " !?"}));
  EXPECT_EQ(llama3("Hello world 42 !?"), (Words{"Hello", " world", " ", "42", " !?"}));
  EXPECT_EQ(gpt2("a   b"), (Words{"a", "  ", " b"}));
  EXPECT_EQ(llama3("a   b"), (Words{"a", "  ", " b"}));
  EXPECT_EQ(gpt2("a   "), (Words{"a", "   "}));
  EXPECT_EQ(llama3("a   "), (Words{"a", "   "}));
  EXPECT_EQ(gpt2(" "), (Words{" "}));
  EXPECT_EQ(llama3(" "), (Words{" "}));
}

TEST(WordPattern, OtherWhiteSpace) {
  EXPECT_EQ(gpt2("a\tb"), (Words{"a", "\t", "b"}));
  EXPECT_EQ(llama3("a\tb"), (Words{"a", "\tb"}));  // Any one character but a line's end.
  EXPECT_EQ(gpt2("a \n\n b"), (Words{"a", " \n\n", " b"}));
  EXPECT_EQ(llama3("a \n\n b"), (Words{"a", " \n\n", " b"}));
  EXPECT_EQ(gpt2("a\n b"), (Words{"a", "\n", " b"}));
  EXPECT_EQ(gpt2("a\n\nb"), (Words{"a", "\n", "\n", "b"}));
  EXPECT_EQ(llama3("a\n\nb"), (Words{"a", "\n\n", "b"}));
  EXPECT_EQ(llama3("a\r\n \t\nb"), (Words{"a", "\r\n \t\n", "b"}));
  EXPECT_EQ(llama3("}\n\n  x"), (Words{"}\n\n", " ", " x"}));
  EXPECT_EQ(gpt2("}\n\n  x"), (Words{"}", "\n\n ", " x"}));
  // A space of three bytes, U+3000, and one of two, U+00A0.
  EXPECT_EQ(gpt2("a\u3000\u3000b"), (Words{"a", "\u3000", "\u3000", "b"}));
  EXPECT_EQ(llama3("a\u00A0b"), (Words{"a", "\u00A0b"}));
}

TEST(WordPattern, Contractions) {
  EXPECT_EQ(gpt2("it's we'll I'd've"), (Words{"it", "'s", " we", "'ll", " I", "'d", "'ve"}));
  EXPECT_EQ(gpt2("IT'S"), (Words{"IT", "'", "S"}));
  EXPECT_EQ(llama3("IT'S WE'Ll"), (Words{"IT", "'S", " WE", "'Ll"}));
  EXPECT_EQ(llama3("'\u017Fx"), (Words{"'\u017F", "x"}));  // The long s is an s in upper case.
  EXPECT_EQ(gpt2("'\u017Fx"), (Words{"'", "\u017Fx"}));
  EXPECT_EQ(gpt2("'lx '"), (Words{"'", "lx", " '"}));
  EXPECT_EQ(llama3("'lx '"), (Words{"'lx", " '"}));
  EXPECT_EQ(gpt2("'v"), (Words{"'", "v"}));
  EXPECT_EQ(llama3("'r"), (Words{"'r"}));
  EXPECT_EQ(llama3("'"), (Words{"'"}));
  EXPECT_EQ(gpt2("'re'"), (Words{"'re", "'"}));
}

TEST(WordPattern, NumbersAndSigns) {
  EXPECT_EQ(gpt2("1234567 x2"), (Words{"1234567", " x", "2"}));
  EXPECT_EQ(llama3("1234567 x2"), (Words{"123", "456", "7", " x", "2"}));
  EXPECT_EQ(gpt2("\u00BD\u2167"), (Words{"\u00BD\u2167"}));  // One half and a Roman eight.
  EXPECT_EQ(gpt2("f(a,b)!!\n"), (Words{"f", "(", "a", ",", "b", ")!!", "\n"}));
  EXPECT_EQ(llama3("f(a,b)!!\n"), (Words{"f", "(a", ",b", ")!!\n"}));
  EXPECT_EQ(llama3(" ...\r\n\r\nx"), (Words{" ...\r\n\r\n", "x"}));
  EXPECT_EQ(llama3("\u65E5\u672C\u8A9E\U0001F600\U0001F600x"),
            (Words{"\u65E5\u672C\u8A9E", "\U0001F600\U0001F600", "x"}));
  EXPECT_EQ(llama3("\U0001F600x"), (Words{"\U0001F600x"}));
  // A combining accent is no letter.
  EXPECT_EQ(gpt2("e\u0301a"), (Words{"e", "\u0301", "a"}));
}

TEST(CharacterKind, IsUnicode16) {
  EXPECT_EQ(character_kind('a'), CharacterKind::kLetter);
  EXPECT_EQ(character_kind('9'), CharacterKind::kNumber);
  EXPECT_EQ(character_kind('_'), CharacterKind::kOther);
  EXPECT_EQ(character_kind(0xAA), CharacterKind::kLetter);     // Feminine ordinal.
  EXPECT_EQ(character_kind(0xB2), CharacterKind::kNumber);     // Superscript two.
  EXPECT_EQ(character_kind(0x85), CharacterKind::kSpace);      // Next line.
  EXPECT_EQ(character_kind(0x200B), CharacterKind::kOther);    // Zero-width space: a format sign.
  EXPECT_EQ(character_kind(0x180E), CharacterKind::kOther);    // No space since Unicode 6.3.
  EXPECT_EQ(character_kind(0x10D4A), CharacterKind::kLetter);  // New in Unicode 16, as is:
  EXPECT_EQ(character_kind(0x10D40), CharacterKind::kNumber);
  EXPECT_EQ(character_kind(0x323AF), CharacterKind::kLetter);  // The last one.
  EXPECT_EQ(character_kind(0x323B0), CharacterKind::kOther);
  EXPECT_EQ(character_kind(0x10FFFF), CharacterKind::kOther);
}

TEST(CharacterKind, TablesAreInOrderAndComplete) {
  // As many as Unicode 16.0's UnicodeData.txt has of Lu, Ll, Lt, Lm and Lo; of Nd, Nl and No.
  const std::pair<std::span<const CodeRange>, uint32_t> tables[] = {{letter_ranges(), 141'028},
                                                                    {number_ranges(), 1'911}};
  for (const auto& [ranges, expected] : tables) {
    uint32_t count = 0;
    uint32_t last = 0;
    for (const CodeRange& range : ranges) {
      EXPECT_GT(range.first, last + 1);
      EXPECT_LE(range.first, range.last);
      count += range.last - range.first + 1;
      last = range.last;
    }
    EXPECT_EQ(count, expected);
  }
  for (const CodeRange& range : number_ranges()) {
    for (uint32_t code = range.first; code <= range.last; ++code) {
      EXPECT_EQ(character_kind(code), CharacterKind::kNumber) << code;
    }
  }
}

TEST(Character, OfOneToFourBytes) {
  const std::string text = "a\u00E9\u20AC\U0001F600";
  const uint32_t codes[] = {'a', 0xE9, 0x20AC, 0x1F600};
  size_t at = 0;
  for (size_t i = 0; i < 4; ++i) {
    const Character character = character_at(text, at);
    EXPECT_EQ(character.code, codes[i]);
    EXPECT_EQ(character.bytes, i + 1);
    at += character.bytes;
  }
  EXPECT_EQ(at, text.size());
}

}  // namespace
}  // namespace qload::qrun
