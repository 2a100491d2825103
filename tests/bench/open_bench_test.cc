// The open benchmark: its parts, and a tiny size of the command. No time is asserted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bench/open/index_cost.h"
#include "bench/open/many_tensors.h"
#include "bench/open/open_benchmark.h"
#include "format/base/bytes.h"
#include "format/input/model_source.h"
#include "tests/support/fixture_model.h"
#include "tests/support/test_files.h"

namespace qload::bench {
namespace {

using test::TempDirectory;

TEST(ManyTensorsTest, IsAModelOfItsBytes) {
  TempDirectory directory;
  constexpr uint64_t kCount = 1025;  // One beyond a layer.
  const auto bytes = write_many_tensors(directory / "m.safetensors", kCount);
  ASSERT_TRUE(bytes.ok()) << bytes.error().message();
  const auto source = open_model_source(directory / "m.safetensors", OpenAs::kSafetensors);
  ASSERT_TRUE(source.ok()) << source.error().message();
  ASSERT_EQ(source->tensors().size(), kCount);
  for (const uint64_t number : {uint64_t{0}, uint64_t{1023}, uint64_t{1024}}) {
    const SourceTensor& tensor = source->tensors()[number];
    EXPECT_EQ(tensor.name, tiny_tensor_name(number));
    ASSERT_EQ(tensor.bytes, kTinyTensorBytes);
    std::vector<std::byte> read(kTinyTensorBytes);
    ASSERT_TRUE(source->read(tensor.file, tensor.offset, read).ok());
    const auto expected = std::span(*bytes).subspan(number * kTinyTensorBytes, kTinyTensorBytes);
    EXPECT_TRUE(std::ranges::equal(read, expected)) << number;
  }
  EXPECT_EQ(tiny_tensor_name(1024), "model.layers.1.mlp.experts.0.scale");
}

TEST(IndexCostTest, CountsEveryRun) {
  TempDirectory directory;
  const auto cost = measure_index_cost(300, 2, directory.path(), {.decode_threads = 2});
  ASSERT_TRUE(cost.ok()) << cost.error().message();
  EXPECT_EQ(cost->tensor_count, 300u);
  EXPECT_GT(cost->index_bytes, 300u);
  EXPECT_LT(cost->index_bytes, cost->container_bytes);
  EXPECT_EQ(cost->open_seconds.size(), 2u);
  EXPECT_EQ(cost->find_seconds.size(), 2u);
  EXPECT_EQ(cost->load_seconds.size(), 2u);
  EXPECT_FALSE(cost->resident_bytes.empty());
}

TEST(OpenBenchmarkTest, TinySizeOfTheCommand) {
  TempDirectory directory;
  test::write_container(directory / "tiny.qpk", test::small_fixture_model());
  const std::string command =
      std::string(QLOAD_BENCH_PATH) + " open " + (directory / "tiny.qpk").string() +
      " --runs 2 --tensors 50 --dir " + directory.path().string() + " --json " +
      (directory / "out.json").string() + " --markdown " + (directory / "out.md").string() + " > " +
      (directory / "out.txt").string();
  ASSERT_EQ(std::system(command.c_str()), 0) << command;

  const auto json = nlohmann::json::parse(std::ifstream(directory / "out.json"));
  ASSERT_EQ(json["models"].size(), 1u);
  const auto& model = json["models"][0];
  EXPECT_EQ(model["tensor_count"], 8);
  EXPECT_GT(model["index_bytes"], 0);
  ASSERT_EQ(model["results"].size(), 4u);  // No tensor has a MiB.
  const std::vector<std::string> tensors = {"embed.weight", "norm", "embed.weight", "norm"};
  for (size_t number = 0; number < tensors.size(); ++number) {
    const auto& result = model["results"][number];
    EXPECT_EQ(result["tensor"], tensors[number]);
    EXPECT_EQ(result["temperature"], number < 2 ? "cold" : "warm");
    EXPECT_EQ(result["runs"].size(), 2u);
  }
  EXPECT_EQ(json["index_cost"]["tensor_count"], 50);
  EXPECT_THAT(test::list_directory(directory.path()),
              testing::ElementsAre("out.json", "out.md", "out.txt", "tiny.qpk"));
  EXPECT_THAT(as_text(test::read_file(directory / "out.md")),
              testing::HasSubstr("| step | all | a tensor |"));
}

TEST(OpenBenchmarkTest, FailuresHaveExitCodes) {
  TempDirectory directory;
  const auto run = [&](const std::string& arguments) {
    const std::string command =
        std::string(QLOAD_BENCH_PATH) + " open " + arguments + " > /dev/null 2>&1";
    return WEXITSTATUS(std::system(command.c_str()));
  };
  EXPECT_EQ(run((directory / "absent.qpk").string()), 5);
  EXPECT_EQ(run(""), 2);
  EXPECT_EQ(run("--tensors 0"), 2);
  test::write_file(directory / "broken.qpk", "no container");
  EXPECT_EQ(run((directory / "broken.qpk").string()), 3);
}

}  // namespace
}  // namespace qload::bench
