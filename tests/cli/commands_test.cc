// The commands on a real container: what they print, refuse and restore.
#include <gtest/gtest.h>

#include "tests/cli/run_tool.h"
#include "tests/support/model_fixtures.h"

namespace qload::test {
namespace {

TEST(CliCommands, RestoresTheSameBytes) {
  const PackedTiny tiny;
  expect_success({"unpack", tiny.container, "-o", tiny / "back.safetensors"});
  EXPECT_EQ(read_file(tiny / "back.safetensors"), read_file(tiny.source));
  // Without --force an existing output is refused and stays as it is.
  write_file(tiny / "back.safetensors", std::string_view("mine"));
  expect_failure({"unpack", tiny.container, "-o", tiny / "back.safetensors"}, 2, "exists");
  EXPECT_EQ(read_file(tiny / "back.safetensors").size(), 4u);
  expect_success({"unpack", tiny.container, "-o", tiny / "back.safetensors", "--force"});
  EXPECT_EQ(read_file(tiny / "back.safetensors"), read_file(tiny.source));
}

TEST(CliCommands, PackChoosesANameAndRefusesToOverwrite) {
  const PackedTiny tiny;
  const ToolResult packed = expect_success({"pack", tiny.source});
  EXPECT_NE(packed.out.find("ratio 1."), std::string::npos) << packed.out;
  EXPECT_EQ(packed.err, "");
  const std::string output = tiny.source + ".qpk";
  EXPECT_EQ(read_file(output), read_file(tiny.container));
  expect_failure({"pack", tiny.source}, 2, "--force");
  expect_failure({"pack", tiny.source, "-o", tiny.source, "--force"}, 2, "input itself");
  expect_success({"pack", tiny.source, "--force", "--threads", "1"});
  EXPECT_EQ(read_file(output), read_file(tiny.container)) << "depends on the number of threads";
}

TEST(CliCommands, PackTakesEachOption) {
  const PackedTiny tiny;
  const ToolResult packed = expect_success({"pack",
                                            tiny.source,
                                            "-o",
                                            tiny / "other.qpk",
                                            "--as",
                                            "raw",
                                            "--chunk-size",
                                            "64K",
                                            "--extent-size",
                                            "1M",
                                            "--align",
                                            "16K",
                                            "--codec",
                                            "zstd",
                                            "--level",
                                            "3",
                                            "--filter",
                                            "none",
                                            "--gain-min",
                                            "0",
                                            "--no-verify",
                                            "--threads",
                                            "2",
                                            "--json"});
  const auto json = parse_output(packed);
  EXPECT_EQ(json["tensor_count"], 1);
  EXPECT_EQ(json["source_bytes"], read_file(tiny.source).size());
  EXPECT_EQ(json["container_bytes"], read_file(tiny / "other.qpk").size());
  EXPECT_GE(json["chunk_count"], json["source_bytes"].get<uint64_t>() / 65536);
  const auto facts = parse_output(expect_success({"inspect", tiny / "other.qpk", "--json"}));
  EXPECT_EQ(facts["alignment"], 16384);
  EXPECT_EQ(facts["digest"], json["digest"]);
  expect_failure({"pack", tiny.source, "-o", tiny / "x.qpk", "--align", "5000"}, 2, "align");
}

TEST(CliCommands, InspectShowsTensorsTotalsAndFiles) {
  const PackedTiny tiny;
  const ToolResult text = expect_success({"inspect", tiny.container});
  for (const char* wanted : {"model.layers.3.mlp.down_proj.weight", "[256, 704]", "bits/byte",
                             "tiny.safetensors", "digest", "4 layers"}) {
    EXPECT_NE(text.out.find(wanted), std::string::npos) << wanted;
  }
  const auto json = parse_output(expect_success({"inspect", tiny.container, "--json"}));
  EXPECT_EQ(json["layer_count"], 4);
  EXPECT_EQ(json["tensors"].size(), json["tensor_count"]);
  EXPECT_EQ(json["files"][0]["path"], "tiny.safetensors");
  EXPECT_EQ(json["files"][0]["format"], "safetensors");
  EXPECT_EQ(json["dtypes"].size(), 2u);
  EXPECT_EQ(json["digest"].get<std::string>().size(), 32u);

  const auto part = parse_output(expect_success(
      {"inspect", tiny.container, "--json", "--chunks", "--tensors", "*.2.*down_proj.weight"}));
  ASSERT_EQ(part["tensors"].size(), 1u);
  const auto& tensor = part["tensors"][0];
  EXPECT_EQ(tensor["name"], "model.layers.2.mlp.down_proj.weight");
  EXPECT_EQ(tensor["layer"], 2);
  EXPECT_EQ(tensor["dtype"], "I8");
  EXPECT_EQ(tensor["shape"], nlohmann::json({256, 704}));
  EXPECT_EQ(tensor["bytes"], 256 * 704);
  EXPECT_EQ(tensor["chunks"].size(), tensor["chunk_count"]);
}

TEST(CliCommands, SharingIsReportedAndCountedOnce) {
  TempDirectory directory;
  const std::string source = (directory / "m.safetensors").string();
  const std::string container = (directory / "m.qpk").string();
  const auto noise = random_bytes(100'000, 1);
  write_file(source, SafetensorsBuilder()
                         .add("head", "U8", {100'000}, noise)
                         .add("model.layers.0.w", "U8", {100'000}, noise)
                         .add("model.layers.1.w", "U8", {1, 100'000}, noise)
                         .add("model.layers.1.own", "I8", {4}, random_bytes(4, 2))
                         .build());
  const auto packed = parse_output(expect_success({"pack", source, "-o", container, "--json"}));
  EXPECT_EQ(packed["duplicate_count"], 2);
  EXPECT_EQ(packed["duplicate_bytes"], 200'000);
  const ToolResult text = expect_success({"pack", source, "-o", container, "--force"});
  EXPECT_NE(text.out.find("4 tensors (2 duplicates of 200 kB)"), std::string::npos) << text.out;

  const auto json = parse_output(expect_success({"inspect", container, "--json"}));
  const auto& tensors = json["tensors"];
  ASSERT_EQ(tensors.size(), 4u);
  for (const auto& tensor : tensors) {
    const bool shares = tensor["name"] == "head" || tensor["name"] == "model.layers.1.w";
    EXPECT_EQ(tensor["shares_with"], shares ? nlohmann::json("model.layers.0.w") : nlohmann::json())
        << tensor["name"];
  }
  EXPECT_EQ(json["totals"]["bytes"], 300'004);
  EXPECT_EQ(json["totals"]["stored_bytes"], 100'004);
  EXPECT_EQ(json["dtypes"]["U8"]["stored_bytes"], 100'000);
  const ToolResult table = expect_success({"inspect", container, "--tensors", "layers.1.w"});
  EXPECT_NE(table.out.find("= model.layers.0.w "), std::string::npos) << table.out;
  expect_success({"load", container, "--check", source});
}

TEST(CliCommands, InspectWritesTheOriginalHeader) {
  const PackedTiny tiny;
  const auto source = read_file(tiny.source);
  for (const char* file : {"0", "tiny.safetensors"}) {
    const ToolResult header = expect_success({"inspect", tiny.container, "--header", file});
    ASSERT_GT(header.out.size(), 8u);
    const auto bytes = to_bytes(header.out);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), source.begin()));
    EXPECT_EQ(header.out.back() == '}' || header.out.back() == ' ', true);
  }
  expect_failure({"inspect", tiny.container, "--header", "1"}, 5, "source file");
}

TEST(CliCommands, VerifyAcceptsAndDemandsADigest) {
  const PackedTiny tiny;
  const auto json = parse_output(expect_success({"verify", tiny.container, "--json"}));
  EXPECT_EQ(json["ok"], true);
  const std::string digest = json["digest"];
  expect_success({"verify", tiny.container, "--digest", digest});
  expect_success({"load", tiny.container, "--digest", digest});
  std::string other = digest;
  other[0] = other[0] == '0' ? '1' : '0';
  expect_failure({"verify", tiny.container, "--digest", other}, 6, other);
  expect_failure({"load", tiny.container, "--digest", other}, 6, "");
}

TEST(CliCommands, DamageIsThreeAndNamesTheTensor) {
  const PackedTiny tiny;
  const auto facts = parse_output(expect_success(
      {"inspect", tiny.container, "--json", "--chunks", "--tensors", "lm_head.weight"}));
  const uint64_t offset = facts["tensors"].back()["chunks"][0]["offset"];
  const std::string name = facts["tensors"].back()["name"];
  auto bytes = read_file(tiny.container);
  bytes[offset] ^= std::byte{1};
  write_file(tiny.container, bytes);
  expect_failure({"verify", tiny.container}, 3, name);
  expect_failure({"load", tiny.container}, 3, name);
  expect_failure({"unpack", tiny.container, "-o", tiny / "back"}, 3, name);
  EXPECT_FALSE(std::filesystem::exists(tiny / "back"));
  const ToolResult json = run_qpack({"verify", tiny.container, "--json"});
  EXPECT_EQ(json.exit_code, 3);
  EXPECT_EQ(parse_output(json)["ok"], false);
  EXPECT_EQ(parse_output(json)["error"], "corrupt");
}

TEST(CliCommands, LoadReportsAndChecksEveryByte) {
  const PackedTiny tiny;
  const ToolResult text = expect_success(
      {"load", tiny.container, "--check", tiny.source, "--verify", "decoded", "--repeat", "2"});
  EXPECT_NE(text.out.find("every loaded byte equals"), std::string::npos) << text.out;
  const auto json = parse_output(
      expect_success({"load", tiny.container,  "--json", "--check",      tiny.source, "--repeat",
                      "3",    "--threads",     "3",      "--io",         "pread",     "--direct",
                      "off",  "--queue-depth", "4",      "--staging",    "2M",        "--read-size",
                      "256K", "--pin",         "never",  "--huge-pages", "never"}));
  EXPECT_EQ(json["checked"], true);
  ASSERT_EQ(json["loads"].size(), 3u);
  for (const auto& load : json["loads"]) {
    EXPECT_EQ(load.size(), 33u) << "each field of LoadStatistics, the rate, and the kernel";
    EXPECT_NE(load["decode_kernel"], "");
    EXPECT_EQ(load["bytes_decoded"], json["decoded_bytes"]);
    EXPECT_EQ(load["engine"], "pread");
    EXPECT_EQ(load["direct"], false);
    EXPECT_EQ(load["decode_threads"], 3);
    EXPECT_EQ(load["pinned_bytes"], 0);
    EXPECT_EQ(load["reused_bytes"], 0);
  }
}

TEST(CliCommands, LoadKeepsToItsLimits) {
  const PackedTiny tiny;
  const auto json = parse_output(
      expect_success({"load", tiny.container, "--json", "--check", tiny.source, "--memory", "64M",
                      "--ignore-cgroup", "--nice", "5", "--threads", "1"}));
  EXPECT_EQ(json["loads"][0]["staging_bytes"], 16 << 20);
  expect_failure({"load", tiny.container, "--memory", "3M"}, 1, "memory_bytes_max allows 3145728");
  for (const char* memory : {"3M", "4M"}) {  // Refused by Loader::create, and by the load.
    expect_failure({"load", tiny.container, "--memory", memory}, 1,
                   "; the options are --memory, --staging and --ignore-cgroup");
  }
  expect_success({"load", tiny.container, "--memory", "0", "--processors", "any"});
  const std::string help = expect_success({"load", "--help"}).out;
  EXPECT_NE(help.find("0: no limit"), std::string::npos) << help;
  expect_failure({"load", tiny.container, "--processors", "262143"}, 2,
                 "processor 262143 is not one of the");
}

TEST(CliCommands, LoadTakesNamedTensors) {
  const PackedTiny tiny;
  const auto json = parse_output(
      expect_success({"load", "--tensor", "model.norm.weight", "--tensor", "lm_head.weight",
                      tiny.container, "--json", "--check", tiny.source}));
  EXPECT_EQ(json["tensor_count"], 2);
  EXPECT_EQ(json["loads"][0]["bytes_decoded"], 256 * 4 + 2048 * 256);
  expect_failure({"load", tiny.container, "--tensor", "nothing"}, 5, "nothing");
}

TEST(CliCommands, LoadCheckFindsADifferentSource) {
  const PackedTiny tiny;
  expect_success({"synth", "-o", tiny / "other.safetensors", "--model", "tiny", "--seed", "2"});
  expect_failure({"load", tiny.container, "--check", tiny / "other.safetensors"}, 3, "differs");
  auto bytes = read_file(tiny.source);
  bytes.back() ^= std::byte{1};
  write_file(tiny / "other.safetensors", bytes);
  expect_failure({"load", tiny.container, "--check", tiny / "other.safetensors"}, 3, "differs");
}

TEST(CliCommands, ProgressIsDrawnOnlyWhenAskedFor) {
  const PackedTiny tiny;
  const ToolResult quiet = expect_success({"verify", tiny.container});
  EXPECT_EQ(quiet.err, "");
  const ToolResult drawn = expect_success({"verify", tiny.container, "--progress", "always"});
  EXPECT_NE(drawn.err.find("verify [########################] 100 %"), std::string::npos)
      << drawn.err;
  EXPECT_EQ(expect_success({"-q", "verify", tiny.container, "--progress", "always"}).err, "");
}

TEST(CliCommands, WarnsOfFilesLeftOut) {
  const PackedTiny tiny;
  std::filesystem::create_directory(tiny / "model");
  std::filesystem::copy(tiny.source, tiny / "model/model.safetensors");
  write_file(tiny / "model/weights.pt", std::string_view("hello"));
  const ToolResult packed = expect_success({"pack", tiny / "model/"});
  EXPECT_NE(packed.err.find("qpack: warning: \"weights.pt\""), std::string::npos) << packed.err;
  EXPECT_TRUE(std::filesystem::exists(tiny / "model.qpk"));
  expect_success({"unpack", tiny / "model.qpk", "-o", tiny / "again"});
}

}  // namespace
}  // namespace qload::test
