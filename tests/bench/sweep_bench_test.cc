// The sweep: its figures, and a tiny size of the command. No time is asserted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bench/sweep/sweep_benchmark.h"
#include "format/base/bytes.h"
#include "tests/support/model_fixtures.h"
#include "tests/support/test_files.h"

namespace qload::bench {
namespace {

using test::TempDirectory;

TEST(SweepReportTest, PeakBeyondDecodedKeepsItsSign) {
  const std::vector<RunSample> runs = {{.peak_bytes = 90}, {.peak_bytes = 130}};
  EXPECT_EQ(peak_beyond_decoded(runs, 100), 30);
  EXPECT_EQ(peak_beyond_decoded(runs, 200), -70);
  EXPECT_EQ(peak_beyond_decoded({}, 5), -5);
}

TEST(SweepReportTest, EfficiencyIsTheMedianOfRatios) {
  const std::vector<RooflinePair> pairs = {{.seconds = 1, .load_seconds = 2},
                                           {.seconds = 9, .load_seconds = 10},
                                           {.seconds = 8, .load_seconds = 10}};
  EXPECT_EQ(efficiency_of(pairs).median, 0.8);
  EXPECT_EQ(efficiency_of(pairs).min, 0.5);
  EXPECT_EQ(efficiency_of({}).median, 0);
}

// 512 KiB is less staging memory than the loader takes: left out, and the rest goes on.
TEST(SweepBenchmarkTest, TinySizeOfTheCommand) {
  TempDirectory directory;
  test::write_file(directory / "tiny.safetensors", test::small_int8_model(3));
  const std::string command =
      std::string(QLOAD_BENCH_PATH) + " sweep " + (directory / "tiny.safetensors").string() +
      " --staging 4M,2M,512K --threads 1,2 --runs 2 --roofline-seconds 0.01 --json " +
      (directory / "out.json").string() + " --markdown " + (directory / "out.md").string() + " > " +
      (directory / "out.txt").string();
  ASSERT_EQ(std::system(command.c_str()), 0) << command;

  const auto json = nlohmann::json::parse(std::ifstream(directory / "out.json"));
  ASSERT_EQ(json["rates"].size(), 1u);
  EXPECT_EQ(json["rates"][0]["throttle_bytes_per_second"], 0);
  ASSERT_EQ(json["rates"][0]["points"].size(), 6u);
  for (const auto& point : json["rates"][0]["points"]) {
    SCOPED_TRACE(point.dump());
    if (point["staging_bytes"] == 512 << 10) {
      EXPECT_THAT(point["left_out"], testing::HasSubstr("staging_bytes"));
      EXPECT_FALSE(point.contains("runs"));
      continue;
    }
    ASSERT_EQ(point["runs"].size(), 2u);
    EXPECT_EQ(point["pairs"].size(), 2u);
    EXPECT_EQ(point["runs"][0]["statistics"]["staging_bytes"], point["staging_bytes"]);
    EXPECT_EQ(point["runs"][0]["statistics"]["decode_threads"], point["threads"]);
    EXPECT_TRUE(point["peak_beyond_decoded_bytes"].is_number_integer());
    EXPECT_TRUE(point["stages"].contains("staging_wait_seconds"));
  }
  EXPECT_THAT(test::list_directory(directory.path()),
              testing::ElementsAre("out.json", "out.md", "out.txt", "tiny.safetensors"));
  EXPECT_THAT(as_text(test::read_file(directory / "out.md")),
              testing::HasSubstr("| staging MiB | threads |"));
  EXPECT_THAT(as_text(test::read_file(directory / "out.txt")), testing::HasSubstr("left out"));
}

TEST(SweepBenchmarkTest, FailuresHaveExitCodes) {
  TempDirectory directory;
  const auto run = [&](const std::string& arguments) {
    const std::string command =
        std::string(QLOAD_BENCH_PATH) + " sweep " + arguments + " > /dev/null 2>&1";
    return WEXITSTATUS(std::system(command.c_str()));
  };
  EXPECT_EQ(run((directory / "absent").string()), 5);
  EXPECT_EQ(run(""), 2);
  EXPECT_EQ(run((directory / "absent").string() + " --staging none"), 2);
  EXPECT_EQ(run((directory / "absent").string() + " --threads 0"), 2);
}

}  // namespace
}  // namespace qload::bench
