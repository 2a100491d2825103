// qpack inspect --why: what it says of real containers, and that it follows the options.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cli/run_tool.h"
#include "tests/support/model_fixtures.h"

namespace qload::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

nlohmann::json why_of(const nlohmann::json& report, const std::string& name) {
  for (const auto& tensor : report["tensors"]) {
    if (tensor["name"] == name) return tensor["why"];
  }
  ADD_FAILURE() << "no tensor " << name;
  return {};
}

nlohmann::json chosen_plan(const nlohmann::json& why) {
  for (const auto& plan : why["plans"]) {
    if (plan["chosen"] == true) return plan;
  }
  ADD_FAILURE() << "no plan is chosen in " << why.dump();
  return {};
}

TEST(CliInspectWhy, EachWayOfStoringHasItsReason) {
  TempDirectory directory;
  const std::string source = (directory / "m.safetensors").string();
  const std::string container = (directory / "m.qpk").string();
  write_file(source, SafetensorsBuilder()
                         .add("layers.0.int8", "I8", {1 << 20}, gaussian_int8(1 << 20, 8, 1))
                         .add("layers.1.int8", "I8", {1 << 20}, gaussian_int8(1 << 20, 8, 2))
                         .add("layers.0.bf16", "BF16", {1 << 19}, gaussian_bf16(1 << 19, 0.02, 3))
                         .add("layers.0.noise", "U8", {300'000}, random_bytes(300'000, 4))
                         .add("layers.0.tied", "U8", {300'000}, random_bytes(300'000, 4))
                         .add("layers.0.zero", "F32", {5000}, std::vector<std::byte>(20'000))
                         .add("layers.0.empty", "F32", {0}, {})
                         .build());
  expect_success({"pack", source, "-o", container});
  const auto json = parse_output(expect_success({"inspect", container, "--why", "--json"}));
  EXPECT_EQ(json["why_terms"]["gain_min"], 0.02);

  const auto int8 = why_of(json, "layers.0.int8");
  EXPECT_THAT(int8["reason"].get<std::string>(), StartsWith("lane_huffman: "));
  EXPECT_EQ(int8["default_differs"], false);
  EXPECT_EQ(int8["streams"].size(), 1u);
  EXPECT_NEAR(int8["entropy_bits_per_byte"].get<double>(), 5.05, 0.1);
  const auto plan = chosen_plan(int8);
  EXPECT_EQ(plan["plan"], "lane_huffman");
  EXPECT_NEAR(plan["ratio"].get<double>(), 1.57, 0.05);
  // 1 GB/s of storage, 3 GB/s of each of 4 threads, decoding weighted by 0.05.
  EXPECT_NEAR(plan["read_seconds_per_gb"].get<double>(), 1 / plan["ratio"].get<double>(), 1e-6);
  EXPECT_NEAR(plan["decode_seconds_per_gb"].get<double>(), 1.0 / 12, 1e-9);
  EXPECT_NEAR(plan["relative_cost"].get<double>(),
              plan["read_seconds_per_gb"].get<double>() + 0.05 / 12, 1e-9);
  EXPECT_EQ(int8["plans"][0]["plan"], "raw");
  EXPECT_EQ(int8["plans"][0]["relative_cost"], 1.0);

  const auto bf16 = why_of(json, "layers.0.bf16");
  EXPECT_EQ(chosen_plan(bf16)["plan"], "float_planes_2[store,lane_huffman]");
  EXPECT_EQ(bf16["filter"], "float_planes_2");
  ASSERT_EQ(bf16["streams"].size(), 2u);
  EXPECT_GT(bf16["streams"][0]["entropy_bits_per_byte"], 7.9);
  EXPECT_LT(bf16["streams"][1]["entropy_bits_per_byte"], 4.0);

  EXPECT_EQ(why_of(json, "layers.0.noise")["reason"],
            "stored: no plan saves the 2 % that --gain-min asks for");
  EXPECT_EQ(why_of(json, "layers.0.tied")["reason"], "shares its chunks with layers.0.noise");
  EXPECT_EQ(why_of(json, "layers.0.zero")["reason"], "constant");
  EXPECT_EQ(why_of(json, "layers.0.empty")["reason"], "has no bytes");

  const ToolResult text = expect_success({"inspect", container, "--why"});
  EXPECT_THAT(text.out, HasSubstr("layers.*.int8: 2 tensors of I8, 2.10 MB, stored as "
                                  "lane_huffman, ratio 1."));
  EXPECT_THAT(text.out, HasSubstr("*  lane_huffman"));
  const ToolResult part = expect_success({"inspect", container, "--why", "--tensors", "bf16"});
  EXPECT_THAT(part.out, StartsWith("layers.0.bf16: BF16, 1.05 MB"));
  EXPECT_THAT(part.out, testing::Not(HasSubstr("int8")));
}

TEST(CliInspectWhy, OtherOptionsAreNamed) {
  const PackedTiny tiny;
  const auto plain = parse_output(expect_success({"inspect", tiny.container, "--why", "--json"}));
  for (const auto& tensor : plain["tensors"]) {
    EXPECT_EQ(tensor["why"]["default_differs"], false) << tensor.dump();
    EXPECT_EQ(tensor["why"]["default_stored_bytes"], tensor["stored_bytes"]);
    EXPECT_EQ(tensor["why"]["default_forms"], tensor["forms"]);
  }
  const std::string zstd = tiny / "zstd.qpk";
  expect_success({"pack", tiny.source, "-o", zstd, "--codec", "zstd"});
  const auto json = parse_output(expect_success({"inspect", zstd, "--why", "--json"}));
  const auto why = why_of(json, "model.layers.2.mlp.down_proj.weight");
  EXPECT_EQ(why["default_differs"], true);
  EXPECT_THAT(why["reason"].get<std::string>(),
              StartsWith("packed with other options than the default's, as zstd; the default would "
                         "choose lane_huffman ("));
  EXPECT_EQ(chosen_plan(why)["plan"], "lane_huffman");
}

TEST(CliInspectWhy, DamageIsFoundAndNamed) {
  const PackedTiny tiny;
  const auto facts = parse_output(expect_success(
      {"inspect", tiny.container, "--json", "--chunks", "--tensors", "*.down_proj.weight"}));
  const auto& tensor = facts["tensors"][0];
  auto bytes = read_file(tiny.container);
  bytes[tensor["chunks"][0]["offset"].get<size_t>() + 5] ^= std::byte{1};
  write_file(tiny / "bad.qpk", bytes);
  expect_success({"inspect", tiny / "bad.qpk"});
  expect_failure({"inspect", tiny / "bad.qpk", "--why"}, 3, tensor["name"].get<std::string>());
  expect_failure({"inspect", tiny.container, "--why", "--header", "0"}, 2, "exclude");
}

TEST(CliInspectWhy, RealModelsAreStoredAsTheDefaultChooses) {
  const auto models = models_directory();
  if (!models) GTEST_SKIP() << kNoModels;
  TempDirectory directory;
  for (const auto& file : std::filesystem::directory_iterator(*models)) {
    const std::string extension = file.path().extension();
    if (extension != ".gguf" && extension != ".safetensors") continue;
    if (file.file_size() > 4'000'000) continue;
    SCOPED_TRACE(file.path());
    const std::string container = directory / (file.path().filename().string() + ".qpk");
    expect_success({"pack", file.path(), "-o", container});
    const auto json = parse_output(expect_success({"inspect", container, "--why", "--json"}));
    for (const auto& tensor : json["tensors"]) {
      if (!tensor["shares_with"].is_null()) continue;
      EXPECT_EQ(tensor["why"]["default_differs"], false) << tensor["why"].dump();
      EXPECT_EQ(tensor["why"]["default_stored_bytes"], tensor["stored_bytes"]);
      if (tensor["bytes"] > 0) chosen_plan(tensor["why"]);
    }
  }
}

}  // namespace
}  // namespace qload::test
