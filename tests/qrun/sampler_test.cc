// The choice of a token.
#include "tools/qrun/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace qload::qrun {
namespace {

std::vector<int> count_choices(const SamplerOptions& options, const std::vector<float>& logits) {
  Sampler sampler(options);
  std::vector<int> counts(logits.size());
  for (int i = 0; i < 20'000; ++i) ++counts[sampler.choose(logits)];
  return counts;
}

TEST(Sampler, GreedyTakesTheFirstOfTheLargest) {
  EXPECT_EQ(Sampler({}).choose(std::vector<float>{1, 3, 3, 2}), 1u);
  EXPECT_EQ(Sampler({}).choose(std::vector<float>{NAN, -1, NAN}), 1u);
  EXPECT_EQ(Sampler({}).choose(std::vector<float>{5}), 0u);
}

TEST(Sampler, SharesFollowTheTemperature) {
  const std::vector<float> logits{0, std::log(3.0f), -INFINITY, NAN};
  const auto warm = count_choices({.temperature = 1}, logits);
  EXPECT_NEAR(warm[1], 15'000, 400);  // Fixed seed: 6 standard deviations.
  EXPECT_EQ(warm[2] + warm[3], 0);
  const auto hot = count_choices({.temperature = 2}, logits);
  EXPECT_NEAR(hot[1], 20'000 * std::sqrt(3.0) / (1 + std::sqrt(3.0)), 400);
}

TEST(Sampler, TopKAndTopPCutTheTail) {
  const std::vector<float> logits{std::log(1.0f), std::log(2.0f), std::log(3.0f), std::log(4.0f)};
  const auto two = count_choices({.temperature = 1, .top_k = 2}, logits);
  EXPECT_EQ(two[0] + two[1], 0);
  EXPECT_NEAR(two[3], 20'000.0 * 4 / 7, 400);
  // 4 of 10 are not enough for 0.65; 4 and 3 are.
  const auto share = count_choices({.temperature = 1, .top_p = 0.65}, logits);
  EXPECT_EQ(share[0] + share[1], 0);
  EXPECT_GT(share[2], 0);
  EXPECT_EQ(count_choices({.temperature = 1, .top_p = 1e-6}, logits)[3], 20'000);
}

TEST(Sampler, SeedsDecide) {
  const std::vector<float> logits(50);
  auto run = [&](uint64_t seed) {
    Sampler sampler({.temperature = 1, .seed = seed});
    std::vector<uint32_t> tokens;
    for (int i = 0; i < 20; ++i) tokens.push_back(sampler.choose(logits));
    return tokens;
  };
  EXPECT_EQ(run(4), run(4));
  EXPECT_NE(run(4), run(5));
}

}  // namespace
}  // namespace qload::qrun
