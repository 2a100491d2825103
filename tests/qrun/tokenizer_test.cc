// Text to tokens and back: joins by score, bytes for what is unknown, hostile vocabularies.
#include "tools/qrun/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/base/format_text.h"
#include "tests/support/model_fixtures.h"
#include "tests/support/test_files.h"
#include "tools/qrun/model_facts.h"

namespace qload::qrun {
namespace {

/// A vocabulary of control tokens, some pieces, and all bytes when `with_bytes`.
struct Vocabulary {
  std::vector<std::string> texts{"<unk>", "<s>", "</s>"};
  std::vector<float> scores{0, 0, 0};
  std::vector<int32_t> types{2, 3, 3};

  void add(const std::string& piece, float score, int32_t type = 1) {
    texts.push_back(piece);
    scores.push_back(score);
    types.push_back(type);
  }
  void add_bytes() {
    constexpr char kDigits[] = "0123456789ABCDEF";
    for (int byte = 0; byte < 256; ++byte) {
      add(std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + ">", 0, 6);
    }
  }
  std::vector<std::byte> header() const {
    test::GgufBuilder builder;
    builder.add_string("tokenizer.ggml.model", "llama")
        .add_string_array("tokenizer.ggml.tokens", texts)
        .add_array("tokenizer.ggml.scores", test::GgufValueType::kFloat32, scores.size(),
                   std::as_bytes(std::span(scores)))
        .add_array("tokenizer.ggml.token_type", test::GgufValueType::kInt32, types.size(),
                   std::as_bytes(std::span(types)))
        .add_u32("tokenizer.ggml.bos_token_id", 1);
    return builder.build();
  }
};

Result<std::unique_ptr<const Tokenizer>> read(const Vocabulary& vocabulary, uint32_t size) {
  const std::vector<std::byte> header = vocabulary.header();
  const auto values = GgufValues::parse(header);
  if (!values.ok()) return values.error();
  return read_tokenizer_gguf(*values, size);
}

TEST(Tokenizer, JoinsTheHighestScoreFirst) {
  Vocabulary v;
  const float scores[] = {-5, -5, -5, -5, -1, -2, -3, -0.5f};
  const char* pieces[] = {"a", "b", "c", "\u2581", "bc", "ab", "abc", "\u2581a"};
  for (int i = 0; i < 8; ++i) v.add(pieces[i], scores[i]);
  const auto tokenizer = read(v, 11);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  // "_a" is joined first (-0.5), then "bc" (-1); "abc" cannot be any more.
  EXPECT_EQ((**tokenizer).encode("abc").value(), (std::vector<uint32_t>{1, 10, 7}));
  EXPECT_EQ((**tokenizer).encode("").value(), (std::vector<uint32_t>{1}));
  EXPECT_EQ((**tokenizer).decode(std::vector<uint32_t>{1, 10, 7, 2}), "abc");
  const auto unknown = (**tokenizer).encode("z");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code(), ErrorCode::kUnsupported);
}

TEST(Tokenizer, UnknownCharactersBecomeBytes) {
  Vocabulary v;
  v.add_bytes();
  v.add(" ", -1);
  const auto tokenizer = read(v, 260);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  const std::string text = "\xE2\x82\xAC \xFF\x80";  // A euro sign, and what is no UTF-8.
  const auto tokens = (**tokenizer).encode(text);
  ASSERT_TRUE(tokens.ok());
  EXPECT_EQ(*tokens,
            (std::vector<uint32_t>{1, 259, 3 + 0xE2, 3 + 0x82, 3 + 0xAC, 259, 3 + 0xFF, 3 + 0x80}));
  EXPECT_EQ((**tokenizer).decode(*tokens), text);
}

TEST(Tokenizer, RefusesVocabulariesThatDisagree) {
  Vocabulary v;
  v.add("a", 0);
  EXPECT_FALSE(read(v, 5).ok());
  v.scores.pop_back();
  EXPECT_FALSE(read(v, 4).ok());
  v.scores.push_back(0);
  v.types.push_back(1);
  EXPECT_FALSE(read(v, 4).ok());
  v.types.pop_back();
  ASSERT_TRUE(read(v, 4).ok());
  v.add("<0xG1>", 0, 6);
  EXPECT_FALSE(read(v, 5).ok());
}

TEST(Tokenizer, OtherKindsOfVocabularyAreNamed) {
  test::GgufBuilder builder;
  builder.add_string("tokenizer.ggml.model", "bert");
  const std::vector<std::byte> header = builder.build();
  const auto values = GgufValues::parse(header);
  ASSERT_TRUE(values.ok());
  const auto other = read_tokenizer_gguf(*values, 10);
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(std::string(other.error().message()), ::testing::HasSubstr("bert"));
}

TEST(Tokenizer, RealVocabularyGivesTextBack) {
  const auto models = test::models_directory();
  if (!models) GTEST_SKIP() << test::kNoModels;
  const auto file = ModelFile::open(*models / "stories260K-f32.gguf");
  ASSERT_TRUE(file.ok());
  const auto facts = read_model_facts(*file, {});
  ASSERT_TRUE(facts.ok()) << facts.error().message();
  ASSERT_TRUE(facts->tokenizer);
  for (const char* text : {"Once upon a time", " two  spaces", "x", "Gr\xC3\xBC\xC3\x9F e\n\t#@"}) {
    const auto tokens = facts->tokenizer->encode(text);
    ASSERT_TRUE(tokens.ok());
    EXPECT_EQ(tokens->front(), 1u);
    EXPECT_EQ(facts->tokenizer->decode(*tokens), text);
  }
  // As llama2.c's own tokenizer cuts it: once, upon, a, time are not letters.
  EXPECT_LT(facts->tokenizer->encode("Once upon a time").value().size(), 8u);
}

}  // namespace
}  // namespace qload::qrun
