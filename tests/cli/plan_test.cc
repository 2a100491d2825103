// qpack plan, and qpack pack --target.
#include <gtest/gtest.h>

#include "tests/cli/run_tool.h"
#include "tests/support/model_fixtures.h"

namespace qload::test {
namespace {

nlohmann::json plan_json(const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"plan", "--json"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return parse_output(expect_success(all));
}

TEST(CliPlan, PredictsSizesThatPackingGives) {
  const PackedTiny tiny;
  for (const char* target : {"mid", "emmc", "nvme4"}) {
    SCOPED_TRACE(target);
    const auto json = plan_json({tiny.source, "--target", target});
    EXPECT_EQ(json["target"], target);
    EXPECT_EQ(json["sampled_share"], 1.0);
    ASSERT_EQ(json["forms"].size(), 3u);
    EXPECT_EQ(json["forms"][0]["name"], "plain");
    EXPECT_EQ(json["forms"][0]["bytes"], json["tensor_bytes"]);
    EXPECT_EQ(json["forms"][1]["bytes"], read_file(tiny.container).size());
    expect_success({"pack", tiny.source, "-o", tiny / "target.qpk", "--force", "--target", target});
    EXPECT_EQ(json["forms"][2]["bytes"], read_file(tiny / "target.qpk").size());
    // The recipe for the target is no worse than the default.
    EXPECT_LE(json["forms"][2]["cold"]["seconds"].get<double>(),
              1.01 * json["forms"][1]["cold"]["seconds"].get<double>());
    double share = 0;
    for (const auto& kind : json["kinds"]) share += kind["share"].get<double>();
    EXPECT_NEAR(share, 1.0, 1e-9);
    expect_success({"load", tiny / "target.qpk", "--check", tiny.source});
  }
}

TEST(CliPlan, DoesNotDependOnThreads) {
  const PackedTiny tiny;
  const auto one = plan_json({tiny.source, "--target", "sd", "--threads", "1"});
  EXPECT_EQ(plan_json({tiny.source, "--target", "sd", "--threads", "3"}), one);
}

TEST(CliPlan, KnowsAContainerFromItsIndex) {
  const PackedTiny tiny;
  const auto packed = plan_json({tiny.container, "--target", "ufs31"});
  const auto source = plan_json({tiny.source, "--target", "ufs31"});
  ASSERT_EQ(packed["forms"].size(), 2u);
  EXPECT_EQ(packed["forms"][0], source["forms"][0]);
  EXPECT_EQ(packed["forms"][1]["bytes"], source["forms"][1]["bytes"]);
  EXPECT_NEAR(packed["forms"][1]["cold"]["seconds"].get<double>(),
              source["forms"][1]["cold"]["seconds"].get<double>(), 1e-9);
  EXPECT_FALSE(packed.contains("recipe"));
}

TEST(CliPlan, PrintsATableAndAdvice) {
  const PackedTiny tiny;
  const ToolResult text = expect_success({"plan", tiny.source, "--target", "mid"});
  for (const char* wanted :
       {"packed --target mid", "linear", "stored as", "x plain", "Packing is worth it on mid"}) {
    EXPECT_NE(text.out.find(wanted), std::string::npos) << wanted << "\n" << text.out;
  }
  EXPECT_EQ(text.err, "");
}

TEST(CliPlan, SaysWhenPackingIsNotWorthIt) {
  TempDirectory directory;
  const std::string noise = (directory / "noise.safetensors").string();
  write_file(
      noise,
      SafetensorsBuilder().add("layers.0.w", "U8", {1024, 1024}, random_bytes(1 << 20, 1)).build());
  const auto json = plan_json({noise});
  EXPECT_EQ(json["worth_packing"], false);
  EXPECT_NE(json["advice"][0].get<std::string>().find("hardly compress"), std::string::npos);
  const std::string empty = (directory / "empty.safetensors").string();
  write_file(empty, SafetensorsBuilder().build());
  EXPECT_NE(plan_json({empty})["advice"][0].get<std::string>().find("nothing to load"),
            std::string::npos);
  const std::string no_bytes = (directory / "no_bytes").string();
  write_file(no_bytes, std::string_view());
  for (const std::string& path : {empty, no_bytes}) {
    for (const char* target : {"mid", "nvme4"}) {
      SCOPED_TRACE(path + " for " + target);
      const std::string text = expect_success({"plan", path, "--target", target}).out;
      EXPECT_EQ(text.find("nan"), std::string::npos) << text;
      EXPECT_EQ(text.find("inf"), std::string::npos) << text;
      EXPECT_NE(text.find("recipe: -\n"), std::string::npos) << text;
    }
  }
}

TEST(CliPlan, APlainLoadHasTheLatencyOfItsFirstRead) {
  const PackedTiny tiny;
  for (const auto& [target, latency] : {std::pair("mid", 0.0), {"sd", 800e-6}, {"nvme4", 80e-6}}) {
    SCOPED_TRACE(target);
    const auto plain = plan_json({tiny.container, "--target", target})["forms"][0];
    EXPECT_NEAR(plain["cold"]["overhead_seconds"].get<double>(), latency, 1e-9);
    EXPECT_EQ(plain["cached"]["overhead_seconds"], 0);
  }
}

TEST(CliPlan, NamesFixedCostsWhereTheyAreTheLargestPart) {
  const PackedTiny tiny;
  const auto json = plan_json({tiny.container, "--target", "nvme4"});
  EXPECT_NE(json["advice"][0].get<std::string>().find("fixed costs (0.00300 s) outweigh"),
            std::string::npos)
      << json["advice"];
}

TEST(CliPlan, TakesAProfileFromAFile) {
  const PackedTiny tiny;
  const ToolResult shown = expect_success({"plan", "--show-target", "emmc"});
  const auto profile = parse_output(shown);
  EXPECT_EQ(profile["qload_device_profile"], 1);
  EXPECT_EQ(profile["storage"]["bytes_per_second"], 300e6);
  write_file(tiny / "device.json", std::string_view(shown.out));
  EXPECT_EQ(plan_json({tiny.source, "--target", tiny / "device.json"}),
            plan_json({tiny.source, "--target", "emmc"}));
  expect_success({"pack", tiny.source, "-o", tiny / "a.qpk", "--target", "emmc"});
  expect_success({"pack", tiny.source, "-o", tiny / "b.qpk", "--target", tiny / "device.json"});
  EXPECT_EQ(read_file(tiny / "a.qpk"), read_file(tiny / "b.qpk"));
}

TEST(CliPlan, ErrorsAreOneLineAndHaveCodes) {
  const PackedTiny tiny;
  expect_failure({"plan"}, 2, "input");
  expect_failure({"plan", tiny / "absent"}, 5, "absent");
  expect_failure({"plan", tiny.source, "--target", "floppy"}, 5, "nvme3");
  expect_failure({"plan", "--show-target", "floppy"}, 5, "floppy");
  write_file(tiny / "bad.json", std::string_view("{\"qload_device_profile\": 1}"));
  expect_failure({"plan", tiny.source, "--target", tiny / "bad.json"}, 3, "\"storage\"");
  expect_failure({"pack", tiny.source, "-o", tiny / "x", "--target", tiny / "bad.json"}, 3,
                 "bad.json");
  write_file(tiny / "new.json", std::string_view("{\"qload_device_profile\": 9}"));
  expect_failure({"plan", tiny.source, "--target", tiny / "new.json"}, 4, "version");
  auto bytes = read_file(tiny.container);
  bytes.resize(bytes.size() - 1);
  write_file(tiny / "cut.qpk", bytes);
  expect_failure({"plan", tiny / "cut.qpk"}, 3, "cut.qpk");
  for (const std::vector<std::string>& other : {std::vector<std::string>{"--fast-decode"},
                                                {"--max-ratio"},
                                                {"--codec", "zstd"},
                                                {"--level", "3"}}) {
    std::vector<std::string> arguments = {"pack", tiny.source, "-o", tiny / "x", "--target", "sd"};
    arguments.insert(arguments.end(), other.begin(), other.end());
    expect_failure(arguments, 2, other[0]);
  }
  EXPECT_FALSE(std::filesystem::exists(tiny / "x"));
  const ToolResult help = expect_success({"plan", "--help"});
  for (const char* wanted : {"--target", "--show-target", "Exit codes", "Example"}) {
    EXPECT_NE(help.out.find(wanted), std::string::npos) << wanted;
  }
}

}  // namespace
}  // namespace qload::test
