// The experts benchmark: its parts, and a tiny size of the command. No time is asserted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "bench/experts/expert_trace.h"
#include "bench/experts/ideal_lru.h"
#include "bench/experts/moe_model.h"
#include "bench/experts/zipf.h"
#include "format/base/bytes.h"
#include "format/input/model_source.h"
#include "tests/support/test_files.h"

namespace qload::bench {
namespace {

using test::TempDirectory;

TEST(ZipfSourceTest, DrawsByRank) {
  constexpr uint32_t kDraws = 100'000;
  std::map<uint32_t, uint32_t> counts;
  ZipfSource zipf(64, 1.0, 7);
  for (uint32_t i = 0; i < kDraws; ++i) ++counts[zipf.next()];
  std::vector<uint32_t> sorted;
  for (const auto& [number, count] : counts) {
    EXPECT_LT(number, 64u);
    sorted.push_back(count);
  }
  ASSERT_EQ(sorted.size(), 64u);
  std::ranges::sort(sorted, std::greater());
  // The harmonic number of 64 is 4.744: the first rank has 0.211 of all draws, the second half
  // that.
  EXPECT_NEAR(sorted[0], 0.2108 * kDraws, 0.01 * kDraws);
  EXPECT_NEAR(sorted[1], 0.1054 * kDraws, 0.01 * kDraws);
  EXPECT_NEAR(sorted[63], 0.0033 * kDraws, 0.001 * kDraws);
}

TEST(ZipfSourceTest, SetsAreDifferentAndSeedsRepeat) {
  ZipfSource one(8, 1.5, 3);
  ZipfSource other(8, 1.5, 3);
  for (int round = 0; round < 50; ++round) {
    const auto set = one.next_set(8);
    EXPECT_EQ(std::set(set.begin(), set.end()).size(), 8u);
    EXPECT_EQ(set, other.next_set(8));
  }
}

TEST(IdealLruTest, ByHand) {
  IdealLru cache(3);
  for (const uint32_t number : {0u, 1u, 2u, 0u, 3u, 1u, 0u}) cache.access({number, 1});
  EXPECT_EQ(cache.hits(), 2u) << "0 twice; 1 has gone for 3";
  EXPECT_EQ(cache.misses(), 5u);
  const std::vector<IdealLru::Item> set = {{4, 1}, {0, 1}};
  cache.access(set);
  EXPECT_EQ(cache.hits(), 3u) << "0 is in the set and makes no room for 4";
  cache.access({1, 1});
  EXPECT_EQ(cache.hits(), 4u) << "3 was the oldest";
}

TEST(ExpertTraceTest, TokensGoThroughAllLayers) {
  const MoeShape shape{.layers = 3, .experts = 8, .tensor_bytes = 4096};
  const ExpertTrace trace = make_expert_trace(shape, 10, 2, 1.0, 1);
  ASSERT_EQ(trace.token_count(), 10u);
  for (uint64_t token = 0; token < 10; ++token) {
    for (uint32_t layer = 0; layer < 3; ++layer) {
      EXPECT_EQ(trace.token(token)[layer].layer, layer);
      EXPECT_EQ(trace.token(token)[layer].experts.size(), 2u);
    }
  }
  const IdealLru all = run_ideal(trace, shape, shape.decoded_bytes());
  EXPECT_EQ(all.hits() + all.misses(), 60u);
  EXPECT_LE(all.misses(), 24u) << "each expert is missed once";
  EXPECT_EQ(run_ideal(trace, shape, 2 * shape.expert_bytes()).hits(), 0u);
}

TEST(MoeModelTest, IsAModel) {
  TempDirectory directory;
  const MoeShape shape{.layers = 2, .experts = 3, .tensor_bytes = 8192};
  ASSERT_TRUE(write_moe_model(directory / "m.safetensors", shape).ok());
  const auto source = open_model_source(directory / "m.safetensors", OpenAs::kSafetensors);
  ASSERT_TRUE(source.ok()) << source.error().message();
  ASSERT_EQ(source->tensors().size(), 18u);
  std::set<std::vector<std::byte>> different;
  for (const SourceTensor& tensor : source->tensors()) {
    EXPECT_EQ(tensor.bytes, 8192u);
    EXPECT_EQ(tensor.offset % 4096, 0u);
    std::vector<std::byte> bytes(8192);
    ASSERT_TRUE(source->read(tensor.file, tensor.offset, bytes).ok());
    different.insert(bytes);
  }
  EXPECT_EQ(different.size(), 18u);
  EXPECT_EQ(source->tensors()[17].name, moe_expert_names(1, 2)[2]);
}

TEST(ExpertsBenchmarkTest, TinySizeOfTheCommand) {
  TempDirectory directory;
  const std::string command =
      std::string(QLOAD_BENCH_PATH) +
      " experts --layers 2 --experts 8 --expert-bytes 192K --tokens 12 --runs 2 --staging 1M "
      "--budget 0.6 --zipf 0.8 --threads 2 --dir " +
      directory.path().string() + " --json " + (directory / "out.json").string() + " --markdown " +
      (directory / "out.md").string() + " > " + (directory / "out.txt").string();
  ASSERT_EQ(std::system(command.c_str()), 0) << command;

  const auto json = nlohmann::json::parse(std::ifstream(directory / "out.json"));
  EXPECT_EQ(json["model"]["expert_bytes"], 3 * 65536);
  EXPECT_GT(json["model"]["decoded_bytes"], json["model"]["container_bytes"]);
  EXPECT_EQ(json["budget_bytes"], 16 * 3 * 65536 * 6 / 10);
  EXPECT_EQ(json["capacity_bytes"].get<uint64_t>() / 4096 * 4096, json["capacity_bytes"]);
  const uint64_t hits = json["ideal_lru"]["hits"];
  const uint64_t misses = json["ideal_lru"]["misses"];
  EXPECT_EQ(hits + misses, 12u * 2 * 2);
  EXPECT_GT(hits, 0u);
  ASSERT_EQ(json["results"].size(), 4u);
  for (const auto& result : json["results"]) {
    ASSERT_EQ(result["runs"].size(), 2u);
    if (result["name"] == "qload") {
      for (const auto& run : result["runs"]) EXPECT_EQ(run["hits"], hits);
    }
    if (result["name"] == "qload-hints") {
      for (const auto& run : result["runs"]) {
        EXPECT_EQ(run["hits"].get<uint64_t>() + run["misses"].get<uint64_t>(), 48u);
      }
    }
  }
  EXPECT_THAT(test::list_directory(directory.path()),
              testing::ElementsAre("out.json", "out.md", "out.txt"));
  EXPECT_THAT(as_text(test::read_file(directory / "out.md")),
              testing::HasSubstr("| contender | s/token |"));
}

TEST(ExpertsBenchmarkTest, WrongCommandLines) {
  const auto run = [&](const std::string& arguments) {
    const std::string command =
        std::string(QLOAD_BENCH_PATH) + " experts " + arguments + " > /dev/null 2>&1";
    return WEXITSTATUS(std::system(command.c_str()));
  };
  EXPECT_EQ(run("--active 9 --experts 8"), 2);
  EXPECT_EQ(run("--budget 0"), 2);
  EXPECT_NE(run("--layers 1 --experts 2 --expert-bytes 12K --active 1 --budget 0.5"), 0)
      << "the budget does not hold the staging memory";
}

}  // namespace
}  // namespace qload::bench
