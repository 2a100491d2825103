// Scores against cross-entropies of the formulas' logits, and on a real model.
#include "tools/qrun/score.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tests/qrun/engine_fixture.h"
#include "tests/qrun/llama_fixture.h"
#include "tests/qrun/llama_reference.h"
#include "tests/support/test_files.h"

namespace qload::qrun {
namespace {

using encode::Encoding;
using test::Engine;
using test::TempDirectory;

constexpr TransformerOptions kScoring{.position_count = 128, .all_logits = true};

/// -log softmax(logits)[token], as the formula reads.
double cross_entropy(const std::vector<double>& logits, uint32_t token) {
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit);
  return -std::log(std::exp(logits[token]) / sum);
}

TEST(NegativeLogShare, ByHand) {
  const std::vector<float> even = {1000, 1000, 1000, 1000};
  EXPECT_NEAR(negative_log_share(even, 2), std::log(4), 1e-12);
  const std::vector<float> odd = {0, std::log(3.0f), -1e30f};
  EXPECT_NEAR(negative_log_share(odd, 0), std::log(4), 1e-6);
  EXPECT_NEAR(negative_log_share(odd, 1), std::log(4.0 / 3), 1e-6);
  EXPECT_NEAR(negative_log_share(odd, 2), 1e30, 1e23);
  EXPECT_FALSE(std::isfinite(negative_log_share(std::vector<float>{0, std::nanf("")}, 0)));
}

class ScoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    llama_ = test::make_llama(Encoding::kF32, false, 41);
    test::write_file(path(), test::as_safetensors(llama_));
  }
  std::filesystem::path path() const { return directory_ / "model.safetensors"; }
  Score score(const ScoreOptions& options, const WeightOptions& weights = {}) const {
    Engine engine(path(), weights, kScoring);
    const auto out = score_tokens(engine.transformer(), options);
    EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().message());
    return out.ok() ? *out : Score();
  }
  TempDirectory directory_;
  test::LlamaFixture llama_;
};

// More than one pass, sequences of one prediction and of full passes among them.
TEST_F(ScoreTest, IsTheFormulas) {
  ScoreOptions options;
  std::vector<uint64_t> progress;
  options.on_progress = [&](uint64_t count) { progress.push_back(count); };
  double expected = 0;
  uint64_t likeliest = 0;
  for (const size_t count : {2u, 65u, 66u, 129u}) {
    std::vector<uint32_t> tokens = test::some_tokens(count, 50);
    tokens.front() = static_cast<uint32_t>(count % 50);
    const auto run = test::run_reference(llama_.dense, tokens);
    for (size_t i = 0; i + 1 < count; ++i) {
      expected += cross_entropy(run.logits[i], tokens[i + 1]);
      const auto largest = std::ranges::max_element(run.logits[i]);
      likeliest += largest - run.logits[i].begin() == tokens[i + 1];
    }
    options.sequences.push_back(tokens);
  }
  const Score found = score(options);
  EXPECT_EQ(found.token_count, 1 + 64 + 65 + 128u);
  EXPECT_EQ(count_scored_tokens(options.sequences), found.token_count);
  EXPECT_NEAR(found.nats_per_token(), expected / 258, 1e-5);
  EXPECT_GT(found.nats_per_token(), 0.5);
  EXPECT_NEAR(found.perplexity(), std::exp(expected / 258), 1e-3);
  EXPECT_EQ(found.likeliest_count, likeliest);
  EXPECT_EQ(progress, (std::vector<uint64_t>{1, 65, 129, 130, 194, 258}));
  // And the same number whatever brings the weights.
  for (const test::WeightForm& form : test::every_form(path())) {
    Engine engine(form.path, form.options, kScoring);
    const auto out = score_tokens(engine.transformer(), options);
    ASSERT_TRUE(out.ok());
    EXPECT_EQ(out->nats, found.nats);
  }
}

TEST_F(ScoreTest, OneByOneIsAsTogether) {
  Engine engine(path(), {}, kScoring);
  const std::vector<uint32_t> tokens = test::some_tokens(10, 50);
  double nats = 0;
  for (size_t i = 0; i < 9; ++i) {
    nats += negative_log_share(engine.logits(std::span(tokens).subspan(i, 1)), tokens[i + 1]);
  }
  ScoreOptions options;
  options.sequences = {tokens};
  EXPECT_EQ(score(options).nats, nats);
}

TEST_F(ScoreTest, StopsWhenAsked) {
  std::stop_source stop;
  ScoreOptions options{.sequences = {test::some_tokens(129, 50)}, .stop = stop.get_token()};
  options.on_progress = [&](uint64_t) { stop.request_stop(); };
  Engine engine(path(), {}, kScoring);
  const auto out = score_tokens(engine.transformer(), options);
  ASSERT_FALSE(out.ok());
  EXPECT_EQ(out.error().code(), ErrorCode::kCancelled);
  EXPECT_EQ(engine.transformer().position(), 64u);
}

TEST_F(ScoreTest, LogitsThatAreNotFinite) {
  for (test::EncodedTensor& tensor : llama_.tensors) {
    if (tensor.name != "lm_head.weight") continue;
    const float odd = std::nanf("");
    std::memcpy(tensor.bytes.data() + 4 * 1234, &odd, sizeof odd);
  }
  test::write_file(path(), test::as_safetensors(llama_));
  Engine engine(path(), {}, kScoring);
  ScoreOptions options;
  options.sequences = {test::some_tokens(5, 50)};
  const auto out = score_tokens(engine.transformer(), options);
  ASSERT_FALSE(out.ok());
  EXPECT_EQ(out.error().message(), "the model's logits are not finite");
}

TEST(CheckSequences, NamesWhatDoesNotFit) {
  ModelConfig config;
  config.context_length = 4;
  config.vocabulary_size = 10;
  using Lists = std::vector<std::vector<uint32_t>>;
  EXPECT_TRUE(check_sequences(Lists{{1, 2}, {1, 2, 3, 4, 9}}, config).ok());
  const auto message = [&](const Lists& lists) {
    const Status status = check_sequences(lists, config);
    EXPECT_FALSE(status.ok());
    if (status.ok()) return std::string();
    EXPECT_EQ(status.error().code(), ErrorCode::kInvalidArgument);
    return std::string(status.error().message());
  };
  EXPECT_EQ(message({}), "there are no tokens to score");
  EXPECT_EQ(message({{1, 2}, {1}}),
            "sequence 2 has 1 tokens, expected 2 to 5, the model's context and one");
  EXPECT_EQ(message({{1, 2, 3, 4, 5, 6}}),
            "sequence 1 has 6 tokens, expected 2 to 5, the model's context and one");
  // Only predicted, never run: nobody else would notice.
  EXPECT_EQ(message({{1, 10}}), "sequence 1 has token 10, which is not in the vocabulary of 10");
}

}  // namespace
}  // namespace qload::qrun
