// One vocabulary in two files: SentencePiece's scores in a GGUF header, merges in a tokenizer.json.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/qrun/tokenizer_fixture.h"
#include "tests/support/test_files.h"
#include "tools/qrun/model_file.h"
#include "tools/qrun/text/piece_text.h"
#include "tools/qrun/tokenizer.h"

namespace qload::qrun {
namespace {

using Json = nlohmann::json;

/// What the conversion of such a vocabulary does: every way to cut a piece in two pieces is a
/// merge, the pieces with the highest scores first. `texts` may have plain spaces.
Json as_merges(const std::vector<std::string_view>& texts, const std::vector<float>& scores) {
  Json file = test::space_sign_tokenizer({}, {});
  Json& model = file["model"];
  for (uint32_t token = 0; token < texts.size(); ++token) {
    model["vocab"][with_space_signs(texts[token])] = token;
  }
  std::vector<uint32_t> order(texts.size());
  for (uint32_t token = 0; token < order.size(); ++token) order[token] = token;
  std::ranges::stable_sort(order, std::greater<>(), [&](uint32_t token) { return scores[token]; });
  for (const uint32_t token : order) {
    const std::string piece = with_space_signs(texts[token]);
    for (size_t cut = 1; cut < piece.size(); ++cut) {
      const std::string left = piece.substr(0, cut);
      const std::string right = piece.substr(cut);
      if (!model["vocab"].contains(left) || !model["vocab"].contains(right)) continue;
      model["merges"].push_back(Json::array({left, right}));
    }
  }
  return file;
}

TEST(TokenizerAgreement, ScoresAndMergesGiveTheSameTokens) {
  const auto models = test::models_directory();
  if (!models) GTEST_SKIP() << test::kNoModels;
  const auto model = ModelFile::open(*models / "stories260K-f32.gguf");
  ASSERT_TRUE(model.ok());
  const auto header = model->read_header();
  ASSERT_TRUE(header.ok());
  const auto values = GgufValues::parse(*header);
  ASSERT_TRUE(values.ok());
  const auto texts = values->find_texts("tokenizer.ggml.tokens").value();
  const auto scores = values->find_floats("tokenizer.ggml.scores").value();
  const auto size = static_cast<uint32_t>(texts.size());
  const auto by_scores = read_tokenizer_gguf(*values, size);
  ASSERT_TRUE(by_scores.ok()) << by_scores.error().message();
  const auto by_merges = read_tokenizer_json(as_merges(texts, scores).dump(), size);
  ASSERT_TRUE(by_merges.ok()) << by_merges.error().message();

  std::vector<std::string> parts = {"\u20AC", "\U0001F600", "\u00E9", "\n", "\t", "  ", "\u2581"};
  for (const std::string_view piece : texts) {
    if (!find_byte(piece) && !piece.starts_with("<")) parts.push_back(with_plain_spaces(piece));
  }
  constexpr uint32_t kSeed = 260;
  SCOPED_TRACE(kSeed);
  std::mt19937 random(kSeed);
  size_t token_count = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string text;
    for (size_t count = random() % 50; count > 0; --count) text += parts[random() % parts.size()];
    const auto tokens = (*by_scores)->encode(text);
    const auto merged = (*by_merges)->encode(text);
    ASSERT_TRUE(tokens.ok());
    ASSERT_TRUE(merged.ok());
    EXPECT_EQ(*tokens, *merged) << text;
    EXPECT_EQ((*by_scores)->decode(*tokens), (*by_merges)->decode(*merged));
    token_count += tokens->size();
  }
  EXPECT_GT(token_count, 20'000u);
}

}  // namespace
}  // namespace qload::qrun
