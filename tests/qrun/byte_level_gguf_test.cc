// Byte-level vocabularies of GGUF files: the rules they name, their added tokens, and damage.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/model_fixtures.h"
#include "tools/qrun/text/piece_text.h"
#include "tools/qrun/tokenizer.h"

namespace qload::qrun {
namespace {

using Tokens = std::vector<uint32_t>;
using ::testing::HasSubstr;

/// The letters of all bytes as tokens 0 to 255, and whatever is added.
struct ByteLevelVocabulary {
  std::string model = "gpt2";
  std::string rule = "gpt-2";
  std::vector<std::string> texts;
  std::vector<int32_t> types;
  std::vector<std::string> merges;
  std::optional<bool> wants_begin_token;

  ByteLevelVocabulary() {
    for (int byte = 0; byte < 256; ++byte) {
      add(to_byte_letters(std::string(1, static_cast<char>(byte))));
    }
  }
  void add(const std::string& piece, int32_t type = 1) {
    texts.push_back(piece);
    types.push_back(type);
  }
  Result<std::unique_ptr<const Tokenizer>> read(uint32_t size) const {
    test::GgufBuilder builder;
    builder.add_string("tokenizer.ggml.model", model)
        .add_string_array("tokenizer.ggml.tokens", texts)
        .add_array("tokenizer.ggml.token_type", test::GgufValueType::kInt32, types.size(),
                   std::as_bytes(std::span(types)))
        .add_string_array("tokenizer.ggml.merges", merges)
        .add_u32("tokenizer.ggml.bos_token_id", 256);
    if (!rule.empty()) builder.add_string("tokenizer.ggml.pre", rule);
    if (wants_begin_token) builder.add_bool("tokenizer.ggml.add_bos_token", *wants_begin_token);
    const std::vector<std::byte> header = builder.build();
    const auto values = GgufValues::parse(header);
    if (!values.ok()) return values.error();
    return read_tokenizer_gguf(*values, size);
  }
};

/// 256 the begin token, 257 one of the user's, 258 "ab", 259 "12".
ByteLevelVocabulary small() {
  ByteLevelVocabulary out;
  out.add("<|begin|>", 3);
  out.add("<a b>", 4);
  out.add("ab");
  out.add("12");
  out.merges = {"a b", "1 2"};
  return out;
}

Tokens encode(const ByteLevelVocabulary& vocabulary, std::string_view text) {
  const auto tokenizer = vocabulary.read(260);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  if (!tokenizer.ok()) return {};
  return (*tokenizer)->encode(text).value();
}

TEST(ByteLevelGguf, CutsByTheRuleItNames) {
  ByteLevelVocabulary v = small();
  EXPECT_EQ(encode(v, "ab 4512"), (Tokens{258, ' ', '4', '5', 259}));
  v.rule = "smollm";
  EXPECT_EQ(encode(v, "ab 4512"), (Tokens{258, ' ', '4', '5', '1', '2'}));
  v.rule = "llama-bpe";  // Which begins a text, where the header does not say.
  EXPECT_EQ(encode(v, "ab 4512"), (Tokens{256, 258, ' ', '4', '5', '1', '2'}));
  v.wants_begin_token = false;
  EXPECT_EQ(encode(v, "12"), (Tokens{259}));
  v.rule = "gpt-2";
  v.wants_begin_token = true;
  EXPECT_EQ(encode(v, ""), (Tokens{256}));
}

TEST(ByteLevelGguf, AddedTokensAreFoundAsTheyStand) {
  const ByteLevelVocabulary v = small();
  EXPECT_EQ(encode(v, "ab<a b><|begin|>"), (Tokens{258, 257, 256}));
  const auto tokenizer = v.read(260);
  EXPECT_EQ((*tokenizer)->decode(257), "<a b>");
  EXPECT_EQ((*tokenizer)->decode(256), "");
  const std::string text = "Gr\u00FC\u00DFe, \u65E5\u672C\n\t ab";
  EXPECT_EQ((*tokenizer)->decode((*tokenizer)->encode(text).value()), text);
}

TEST(ByteLevelGguf, OtherRulesAreNamed) {
  for (const char* rule : {"qwen2", "default", ""}) {
    ByteLevelVocabulary v = small();
    v.rule = rule;
    const auto tokenizer = v.read(260);
    ASSERT_FALSE(tokenizer.ok());
    EXPECT_EQ(tokenizer.error().code(), ErrorCode::kUnsupported);
    EXPECT_THAT(std::string(tokenizer.error().message()),
                HasSubstr(*rule != '\0' ? rule : "\"tokenizer.ggml.pre\" is absent"));
  }
}

TEST(ByteLevelGguf, ContradictionsAreCorrupt) {
  const auto expect_corrupt = [](const ByteLevelVocabulary& v, uint32_t size, const char* words) {
    const auto tokenizer = v.read(size);
    ASSERT_FALSE(tokenizer.ok()) << words;
    EXPECT_EQ(tokenizer.error().code(), ErrorCode::kCorrupt);
    EXPECT_THAT(std::string(tokenizer.error().message()), HasSubstr(words));
  };
  expect_corrupt(small(), 259, "expected 259 of each");
  expect_corrupt(small(), 261, "expected 261 of each");
  for (const char* merge : {"ab", "a b c", "x y", "a zz"}) {
    ByteLevelVocabulary v = small();
    v.merges.push_back(merge);
    expect_corrupt(v, 260, "merge 2");
  }
  ByteLevelVocabulary twice = small();
  twice.merges.push_back("a b");
  expect_corrupt(twice, 260, "merges 0 and 2");
  ByteLevelVocabulary same = small();
  same.add("ab");
  expect_corrupt(same, 261, "are both \"ab\"");
  ByteLevelVocabulary cut = small();
  cut.add("\xC3", 3);
  expect_corrupt(cut, 261, "expected UTF-8");
  ByteLevelVocabulary empty = small();
  empty.add("", 4);
  expect_corrupt(empty, 261, "not empty");
}

TEST(ByteLetters, AreOnesOfTheirOwnForEachByte) {
  // As GPT-2's encoder.json has them.
  EXPECT_EQ(to_byte_letters(" \n!~"), "\u0120\u010A!~");
  EXPECT_EQ(to_byte_letters(std::string("\0\x7F\xA0\xAD", 4)), "\u0100\u0121\u0142\u0143");
  EXPECT_EQ(to_byte_letters("\xA1\xFF"), "\u00A1\u00FF");
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(from_byte_letters(to_byte_letters(all)), all);
  for (const char* text : {" ", "\n", "\u0144", "\u2581", "a\u00A0", "\xC3", "\xC3(", "\x80"}) {
    EXPECT_EQ(from_byte_letters(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace qload::qrun
