// Passes over models beyond memory: plans, figures, and a tiny size of the command. No time is
// asserted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bench/load/memory_group.h"
#include "bench/stream/child_process.h"
#include "bench/stream/pass_child.h"
#include "bench/stream/stream_benchmark.h"
#include "format/base/bytes.h"
#include "format/pack/pack.h"
#include "tests/support/model_fixtures.h"
#include "tests/support/test_files.h"

namespace qload::bench {
namespace {

using test::TempDirectory;
using testing::DoubleEq;
using testing::HasSubstr;

constexpr uint64_t kMega = 1u << 20;
constexpr uint32_t kLayers = 6;

/// A model of 8 MB: an embedding, six layers of 1 MB and their norms, a head.
std::vector<std::byte> layered_model(uint64_t seed) {
  test::SafetensorsBuilder builder;
  builder.add("model.embed_tokens.weight", "I8", {1000, 1000},
              test::gaussian_int8(1'000'000, 9.0, seed));
  for (uint32_t layer = 0; layer < kLayers; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    builder.add(prefix + "mlp.weight", "I8", {1000, 1000},
                test::gaussian_int8(1'000'000, 9.0, seed + layer + 1));
    builder.add(prefix + "norm.weight", "F32", {256}, test::random_bytes(1024, seed + layer));
  }
  builder.add("lm_head.weight", "I8", {1000, 1000}, test::gaussian_int8(1'000'000, 9.0, seed + 99));
  return builder.build();
}

void pack_file(const std::filesystem::path& model, const std::filesystem::path& packed) {
  const auto source = open_model_source(model, OpenAs::kDetect);
  ASSERT_TRUE(source.ok());
  ASSERT_TRUE(pack_model(*source, packed, {.threads = 1}).ok());
}

int run_command(const std::string& arguments) {
  const std::string command = std::string(QLOAD_BENCH_PATH) + " stream " + arguments;
  return WEXITSTATUS(std::system(command.c_str()));
}

/// All contenders' digests are right in every pass, and qload and read keep the same.
void expect_rows(const nlohmann::json& point, size_t runs, size_t passes) {
  ASSERT_EQ(point["rows"].size(), 4u);
  const auto& own = point["rows"][0];
  ASSERT_EQ(own["contender"], "qload");
  const auto& facts = own["runs"][0]["facts"];
  EXPECT_EQ(facts["budget_bytes"], point["budget_bytes"]);
  EXPECT_EQ(facts["staging_bytes"], point["staging_bytes"]);
  EXPECT_GT(facts["resident_bytes"], 0);
  EXPECT_LT(facts["decoded_bytes_per_pass"], 8'000'000);
  EXPECT_TRUE(own.contains("bound"));
  for (const auto& row : point["rows"]) {
    SCOPED_TRACE(row["contender"]);
    if (row["contender"] == "read" && row.contains("left_out")) continue;  // No O_DIRECT here.
    ASSERT_EQ(row["runs"].size(), runs);
    const bool keeps = row["contender"] == "qload" || row["contender"] == "read";
    for (const auto& run : row["runs"]) {
      EXPECT_EQ(run["passes"].size(), passes);
      EXPECT_EQ(run["resident_bytes"], keeps ? facts["resident_bytes"].get<uint64_t>() : 0);
      EXPECT_GT(run["peak_bytes"], 0);
    }
  }
}

TEST(MemoryLimitTest, SharesAndBytes) {
  EXPECT_EQ(parse_limit("25%")->of(1000), 250u);
  EXPECT_EQ(parse_limit("12.5%")->of(1000), 125u);
  EXPECT_EQ(parse_limit("150%")->of(1000), 1500u);
  EXPECT_EQ(parse_limit("300M")->of(1000), 300 * kMega);
  EXPECT_EQ(parse_limit("4096")->of(1), 4096u);
  for (const char* bad : {"", "%", "0%", "-5%", "nan%", "0", "all", "3X", "-1"}) {
    const auto limit = parse_limit(bad);
    ASSERT_FALSE(limit.ok()) << bad;
    EXPECT_EQ(limit.error().code(), ErrorCode::kInvalidArgument) << bad;
  }
}

TEST(PassChildTest, FiguresAndErrorsCrossTheProcesses) {
  PassRun run{.resident_bytes = 5, .resident_peak_bytes = 6};
  run.facts = StreamFacts{.budget_bytes = 1, .portion_bytes = 7, .seconds_per_pass = 0.1};
  run.passes.push_back({.seconds = 0.3, .compute_seconds = 0.1, .bytes_read = 1ull << 40});
  const auto back = run_from_text(run_to_text(run));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->resident_bytes, 5u);
  EXPECT_EQ(back->resident_peak_bytes, 6u);
  ASSERT_TRUE(back->facts);
  EXPECT_EQ(back->facts->portion_bytes, 7u);
  EXPECT_EQ(back->facts->seconds_per_pass, 0.1);
  ASSERT_EQ(back->passes.size(), 1u);
  EXPECT_EQ(back->passes[0].bytes_read, 1ull << 40);
  EXPECT_EQ(back->passes[0].seconds, 0.3);

  const auto error = run_from_text(run_to_text(Error(ErrorCode::kCorrupt, "tensor \"a\"")));
  ASSERT_FALSE(error.ok());
  EXPECT_EQ(error.error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(error.error().message(), "tensor \"a\"");
  for (const char* bad : {"", "{", "{}", "[]", "{\"passes\": 3}"}) {
    const auto none = run_from_text(bad);
    ASSERT_FALSE(none.ok()) << bad;
    EXPECT_EQ(none.error().code(), ErrorCode::kIo) << bad;
  }
}

TEST(PassChildTest, AWrongTensorIsNamed) {
  TempDirectory directory;
  test::write_file(directory / "a.safetensors", layered_model(1));
  pack_file(directory / "a.safetensors", directory / "a.qpk");
  std::vector<std::byte> bytes = layered_model(1);
  bytes.back() ^= std::byte{1};  // Of the head.
  test::write_file(directory / "b.safetensors", bytes);
  const PassSetting right{.model = directory / "a.safetensors", .packed = directory / "a.qpk"};
  EXPECT_TRUE(run_pass_job({.contender = "mmap", .setting = right, .work = {.passes = 1}}).ok());
  PassSetting wrong = right;
  wrong.model = directory / "b.safetensors";
  for (const char* contender : {"mmap", "mmap-willneed"}) {
    const auto run = run_pass_job({.contender = contender, .setting = wrong});
    ASSERT_FALSE(run.ok());
    EXPECT_EQ(run.error().code(), ErrorCode::kCorrupt);
    EXPECT_THAT(std::string(run.error().message()), HasSubstr("lm_head.weight"));
  }
  test::write_file(directory / "c.safetensors", test::small_int8_model(1));
  wrong.model = directory / "c.safetensors";
  EXPECT_EQ(run_pass_job({.contender = "mmap", .setting = wrong}).error().code(),
            ErrorCode::kCorrupt);
}

TEST(ChildProcessTest, OutputAndEnd) {
  InterruptGuard interrupts;
  const std::string list[] = {"--gtest_list_tests"};
  const auto end = run_child(list, {}, interrupts);
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->exit_code, 0);
  EXPECT_EQ(end->signal, 0);
  EXPECT_THAT(end->output, HasSubstr("OutputAndEnd"));
  const auto refused = run_child(list, "/no/such/group/cgroup.procs", interrupts);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kIo);
}

// The child touches more than its group allows only where it says so: here it just starts.
TEST(MemoryGroupTest, AChildIsChargedToItsGroup) {
  InterruptGuard interrupts;
  std::filesystem::path join_file;
  {
    auto group = MemoryGroup::create({.memory_bytes = 512 * kMega}, interrupts);
    if (!group.ok()) GTEST_SKIP() << group.error().message();
    join_file = (*group)->join_file();
    EXPECT_TRUE(std::filesystem::exists(join_file));
    const std::string list[] = {"--gtest_list_tests"};
    const auto end = run_child(list, join_file, interrupts);
    ASSERT_TRUE(end.ok()) << end.error().message();
    EXPECT_EQ(end->exit_code, 0);
    EXPECT_GT((*group)->peak_bytes(), 0u);
    EXPECT_LE((*group)->peak_bytes(), 512 * kMega);
  }
  EXPECT_FALSE(std::filesystem::exists(join_file));
}

TEST(StreamReportTest, FiguresOfPasses) {
  StreamRow row{.contender = "qload"};
  StreamRun run{.peak_bytes = 40, .storage_rate = 100};
  run.passes.facts = StreamFacts{.storage_bytes_per_pass = 200, .seconds_per_pass = 2.2};
  for (const double seconds : {2.5, 2.4, 2.6}) {
    run.passes.passes.push_back({.seconds = seconds,
                                 .compute_seconds = 1,
                                 .request_seconds = 0.5,
                                 .load_seconds = 2,
                                 .cpu_seconds = 3,
                                 .bytes_read = 210});
  }
  row.runs = {run, run};
  row.runs[1].peak_bytes = 50;
  const PassSummary summary = summarize_passes(row, 1'500'000'000);
  EXPECT_EQ(summary.seconds.median, 2.5);
  EXPECT_EQ(summary.seconds.min, 2.4);
  EXPECT_EQ(summary.seconds.max, 2.6);
  EXPECT_EQ(summary.wait_seconds, 1.5);
  EXPECT_EQ(summary.request_seconds, 0.5);
  EXPECT_EQ(summary.overlap, 0.75);
  EXPECT_EQ(summary.peak_bytes, 50u);
  EXPECT_EQ(summary.cpu_seconds_per_gb, 2);
  const auto bound = summarize_bound(row);
  ASSERT_TRUE(bound);
  EXPECT_EQ(bound->bound_seconds, 2);
  EXPECT_THAT(bound->beyond.median, DoubleEq(0.25));
  EXPECT_THAT(bound->predicted_ratio, DoubleEq(0.88));
  // Computing binds when it takes longer than reading.
  for (StreamRun& one : row.runs) one.storage_rate = 1000;
  EXPECT_EQ(summarize_bound(row)->bound_seconds, 1);
  EXPECT_FALSE(summarize_bound({.contender = "qload"}));
}

TEST(StreamReportTest, BestOtherByRounds) {
  const auto row = [](const std::string& name, std::vector<double> seconds) {
    StreamRow made{.contender = name};
    for (const double one : seconds) {
      StreamRun run;
      run.passes.passes.push_back({.seconds = one});
      made.runs.push_back(run);
    }
    return made;
  };
  StreamPoint point;
  point.rows = {row("qload", {1, 2}), row("mmap", {9, 9}), row("read", {2, 8}), row("gone", {})};
  const auto best = compare_with_best_other(point);
  ASSERT_TRUE(best);
  EXPECT_EQ(best->contender, "read");
  EXPECT_EQ(best->speed_up, 3);
  point.rows.erase(point.rows.begin());
  EXPECT_FALSE(compare_with_best_other(point));
}

TEST(StreamBenchmarkTest, TinySizeOfTheCommand) {
  TempDirectory directory;
  test::write_file(directory / "tiny.safetensors", layered_model(3));
  const std::string command =
      (directory / "tiny.safetensors").string() +
      " --no-limit --memory 120%,1% --overhead 512K --staging 4M --passes 2 --runs 2"
      " --compute-seconds 0.001 --threads 2 --roofline-seconds 0.01 --json " +
      (directory / "out.json").string() + " --markdown " + (directory / "out.md").string() + " > " +
      (directory / "out.txt").string();
  ASSERT_EQ(run_command(command), 0) << command;
  const auto json = nlohmann::json::parse(std::ifstream(directory / "out.json"));
  EXPECT_EQ(json["benchmark"], "stream");
  EXPECT_EQ(json["model"]["tensor_count"], 2 + 2 * kLayers);
  EXPECT_EQ(json["method"]["memory_limit"], "");
  ASSERT_EQ(json["rates"].size(), 1u);
  EXPECT_GT(json["rates"][0]["planner"]["storage_bytes_per_second"], 0);
  const auto& points = json["rates"][0]["points"];
  ASSERT_EQ(points.size(), 2u);
  expect_rows(points[0], 2, 2);
  // 80 KB are less than the overhead.
  EXPECT_THAT(points[1]["left_out"], HasSubstr("overhead"));
  EXPECT_THAT(test::list_directory(directory.path()),
              testing::ElementsAre("out.json", "out.md", "out.txt", "tiny.safetensors"));
  EXPECT_THAT(as_text(test::read_file(directory / "out.md")), HasSubstr("| contender | s/pass |"));
  EXPECT_THAT(as_text(test::read_file(directory / "out.txt")), HasSubstr("the planner foresaw"));
}

// Under a real limit nobody's peak is above it.
TEST(StreamBenchmarkTest, PeaksStayBelowTheLimit) {
  {
    InterruptGuard interrupts;
    auto group = MemoryGroup::create({.memory_bytes = 256 * kMega}, interrupts);
    if (!group.ok()) GTEST_SKIP() << group.error().message();
  }
  TempDirectory directory;
  test::write_file(directory / "tiny.safetensors", layered_model(4));
  const std::string command = (directory / "tiny.safetensors").string() +
                              " --memory 256M --budget 10M --staging 4M --passes 1 --runs 1"
                              " --roofline-seconds 0.01 --json " +
                              (directory / "out.json").string() + " > /dev/null";
  ASSERT_EQ(run_command(command), 0) << command;
  const auto json = nlohmann::json::parse(std::ifstream(directory / "out.json"));
  EXPECT_THAT(json["method"]["memory_limit"], HasSubstr("cgroup"));
  const auto& point = json["rates"][0]["points"][0];
  expect_rows(point, 1, 1);
  for (const auto& row : point["rows"]) {
    if (row.contains("left_out")) continue;
    EXPECT_LE(row["summary"]["peak_bytes"], 256 * kMega) << row["contender"];
  }
}

TEST(StreamBenchmarkTest, FailuresHaveExitCodes) {
  TempDirectory directory;
  const std::string quiet = " > /dev/null 2>&1";
  const std::string absent = (directory / "absent").string();
  EXPECT_EQ(run_command(absent + " --no-limit" + quiet), 5);
  EXPECT_EQ(run_command(quiet), 2);
  EXPECT_EQ(run_command(absent + " --memory none" + quiet), 2);
  EXPECT_EQ(run_command(absent + " --passes 0" + quiet), 2);
  test::write_file(directory / "a.safetensors", layered_model(1));
  const std::string model = (directory / "a.safetensors").string();
  EXPECT_EQ(run_command(model + " --no-limit --contenders nobody" + quiet), 2);
  EXPECT_EQ(run_command(model + " --no-limit --target nowhere" + quiet), 5);
  // A budget that holds no layer leaves qload out, and then there is nothing to report.
  EXPECT_EQ(run_command(model + " --no-limit --memory 50% --budget 4200K --staging 4M --runs 1" +
                        " --contenders qload --roofline-seconds 0.01" + quiet),
            4);
  test::write_file(directory / "b.safetensors", layered_model(2));
  pack_file(directory / "b.safetensors", directory / "b.qpk");
  EXPECT_EQ(run_command(model + " --packed " + (directory / "b.qpk").string() +
                        " --no-limit --memory 64M --runs 1 --contenders mmap" +
                        " --roofline-seconds 0.01" + quiet),
            3);
}

}  // namespace
}  // namespace qload::bench
