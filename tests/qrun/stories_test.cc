// A real model in eight encodings: the same story from all of them, plain and packed.
#include <gtest/gtest.h>

#include <algorithm>

#include "format/input/model_source.h"
#include "format/pack/pack.h"
#include "tests/qrun/least_budget.h"
#include "tests/support/test_files.h"
#include "tools/qrun/generate.h"
#include "tools/qrun/model_facts.h"
#include "tools/qrun/score.h"
#include "tools/qrun/weight_source.h"

namespace qload::qrun {
namespace {

using test::TempDirectory;

// All encodings but Q4_0 agree this long from the begin token on. Then two tokens are within 0.07
// of each other in the logits of F32, and INT8 takes the other, in double arithmetic too.
constexpr size_t kCommonTokens = 61;
constexpr uint32_t kTokenCount = 200;

/// The greedy tokens of a model file.
std::vector<uint32_t> run(const std::filesystem::path& path, const std::filesystem::path& config,
                          const WeightOptions& options = {}) {
  const auto file = ModelFile::open(path);
  EXPECT_TRUE(file.ok()) << (file.ok() ? "" : file.error().message());
  if (!file.ok()) return {};
  const bool has_config = file->format() == "gguf";
  const auto facts =
      read_model_facts(*file, {.config = has_config ? std::filesystem::path() : config});
  EXPECT_TRUE(facts.ok()) << (facts.ok() ? "" : facts.error().message());
  if (!facts.ok()) return {};
  const auto plan = plan_weights(file->tensors(), facts->config);
  EXPECT_TRUE(plan.ok()) << (plan.ok() ? "" : plan.error().message());
  if (!plan.ok()) return {};
  const auto source = open_weights(*file, *plan, options);
  EXPECT_TRUE(source.ok()) << (source.ok() ? "" : source.error().message());
  if (!source.ok()) return {};
  ThreadTeam team(options.thread_count);
  Transformer transformer(facts->config, *plan, **source, team, fastest_row_kernels(),
                          {.position_count = kTokenCount + 1});
  GenerationOptions generation;
  generation.prompt = {*facts->config.begin_token};
  generation.token_count_max = kTokenCount;
  const auto out = generate(transformer, generation);
  EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().message());
  return out.ok() ? out->tokens : std::vector<uint32_t>();
}

/// Nats per token of `tokens` behind the begin token.
double score(const std::filesystem::path& path, const std::filesystem::path& config,
             std::vector<uint32_t> tokens, ActivationType activations = ActivationType::kFloat) {
  const auto file = ModelFile::open(path);
  EXPECT_TRUE(file.ok()) << (file.ok() ? "" : file.error().message());
  if (!file.ok()) return 0;
  const bool has_config = file->format() == "gguf";
  const auto facts =
      read_model_facts(*file, {.config = has_config ? std::filesystem::path() : config});
  const auto plan = plan_weights(file->tensors(), facts->config);
  const auto source = open_weights(*file, *plan, {});
  EXPECT_TRUE(source.ok()) << (source.ok() ? "" : source.error().message());
  if (!source.ok()) return 0;
  ThreadTeam team(1);
  Transformer transformer(facts->config, *plan, **source, team, fastest_row_kernels(),
                          {.position_count = static_cast<uint32_t>(tokens.size()),
                           .activations = activations,
                           .all_logits = true});
  tokens.insert(tokens.begin(), *facts->config.begin_token);
  ScoreOptions options;
  options.sequences = {std::move(tokens)};
  const auto out = score_tokens(transformer, options);
  EXPECT_TRUE(out.ok()) << (out.ok() ? "" : out.error().message());
  return out.ok() ? out->nats_per_token() : 0;
}

/// The least budget keeps the embedding and streams all layers; the largest keeps everything.
void expect_streamed(const std::filesystem::path& container, const std::filesystem::path& config,
                     const std::vector<uint32_t>& tokens) {
  const uint64_t least = test::least_stream_budget(container, config);
  WeightOptions options{.mode = WeightMode::kStreamed};
  for (const uint64_t more : {0u, 100'000u, 300'000u, 10'000'000u}) {
    SCOPED_TRACE(more);
    options.budget_bytes = least + more;
    options.keep_packed = more == 100'000;
    options.thread_count = more == 300'000 ? 2 : 1;
    EXPECT_EQ(run(container, config, options), tokens);
  }
}

class Stories : public ::testing::TestWithParam<const char*> {};

TEST_P(Stories, AreTheSameFromEveryForm) {
  const auto models = test::models_directory();
  if (!models) GTEST_SKIP() << test::kNoModels;
  const std::string name = GetParam();
  const auto plain = *models / ("stories260K-" + name);
  const auto config = *models / "stories260K-config.json";
  const std::vector<uint32_t> tokens = run(plain, config);
  ASSERT_EQ(tokens.size(), kTokenCount);

  if (name != "q4_0.gguf") {
    const std::vector<uint32_t> reference = run(*models / "stories260K-f32.safetensors", config);
    ASSERT_EQ(reference.size(), kTokenCount);
    const bool is_exact = name.starts_with("f");  // F32 and F16.
    const size_t common = is_exact ? kTokenCount : kCommonTokens;
    EXPECT_TRUE(std::equal(tokens.begin(), tokens.begin() + common, reference.begin()));
  }

  const TempDirectory directory;
  auto source = open_model_source(plain, OpenAs::kDetect);
  ASSERT_TRUE(source.ok());
  ASSERT_TRUE(pack_model(*source, directory / "packed.qpk", {}).ok());
  EXPECT_EQ(run(directory / "packed.qpk", config), tokens);
  EXPECT_EQ(run(plain, config, {.thread_count = 2}), tokens);
  EXPECT_EQ(run(plain, config, {.mode = WeightMode::kMapped}), tokens);
  EXPECT_EQ(run(plain, config, {.mode = WeightMode::kRead, .resident_bytes = 50'000}), tokens);
  for (const uint32_t threads : {1u, 3u}) {
    EXPECT_EQ(run(directory / "packed.qpk", config,
                  {.mode = WeightMode::kPacked, .thread_count = threads}),
              tokens);
  }
  expect_streamed(directory / "packed.qpk", name.ends_with(".gguf") ? "" : config, tokens);
}

INSTANTIATE_TEST_SUITE_P(Qrun, Stories,
                         ::testing::Values("f32.safetensors", "bf16.safetensors", "f16.safetensors",
                                           "int8_tensor.safetensors", "int8_channel.safetensors",
                                           "f32.gguf", "q8_0.gguf", "q4_0.gguf"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

// The greedy story of F32, scored by every encoding: INT8 weights cost little, INT8 activations a
// little more, and four bits much more. (The story's tokens are likely ones: nats are few.)
TEST(StoriesScore, OrdersEncodingsByWhatTheyLose) {
  const auto models = test::models_directory();
  if (!models) GTEST_SKIP() << test::kNoModels;
  const auto config = *models / "stories260K-config.json";
  const auto path = [&](const char* name) {
    return *models / (std::string("stories260K-") + name);
  };
  const std::vector<uint32_t> story = run(path("f32.safetensors"), config);
  const double f32 = score(path("f32.safetensors"), config, story);
  EXPECT_GT(f32, 0.05);
  EXPECT_LT(f32, 1.5);
  EXPECT_NEAR(score(path("f32.gguf"), config, story), f32, 1e-5);
  EXPECT_NEAR(score(path("bf16.safetensors"), config, story), f32, 0.01);
  for (const char* name : {"int8_tensor.safetensors", "int8_channel.safetensors"}) {
    const double floats = score(path(name), config, story);
    const double w8a8 = score(path(name), config, story, ActivationType::kInt8);
    EXPECT_NEAR(floats, f32, 0.03) << name;
    EXPECT_NEAR(w8a8, f32, 0.06) << name;
    EXPECT_NE(w8a8, floats) << name;
  }
  EXPECT_GT(score(path("q4_0.gguf"), config, story), f32 + 0.03);
}

TEST(StoriesText, BeginAsTheyWereLearned) {
  const auto models = test::models_directory();
  if (!models) GTEST_SKIP() << test::kNoModels;
  const auto path = *models / "stories260K-f32.gguf";
  const auto file = ModelFile::open(path);
  ASSERT_TRUE(file.ok());
  const auto facts = read_model_facts(*file, {});
  ASSERT_TRUE(facts.ok());
  EXPECT_TRUE(facts->tokenizer->decode(run(path, {}))
                  .starts_with("Once upon a time, there was a little girl named Lily. She loved to "
                               "play outside in the "
                               "park."));
}

}  // namespace
}  // namespace qload::qrun
