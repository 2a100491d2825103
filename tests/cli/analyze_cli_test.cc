// qpack analyze: reports for people, scripts and spreadsheets.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/cli/run_tool.h"
#include "tests/support/model_fixtures.h"

namespace qload::test {
namespace {

nlohmann::json analyze_json(const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"analyze", "--json"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return parse_output(expect_success(all));
}

/// Cells of RFC 4180 lines.
std::vector<std::vector<std::string>> parse_csv(const std::string& text) {
  std::vector<std::vector<std::string>> lines(1);
  std::string cell;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '"' && i + 1 < text.size() && text[i + 1] == '"') {
      cell += text[++i];
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && (text[i] == ',' || text[i] == '\n')) {
      lines.back().push_back(std::exchange(cell, {}));
      if (text[i] == '\n') lines.emplace_back();
    } else if (quoted || text[i] != '\r') {
      cell += text[i];
    }
  }
  EXPECT_FALSE(quoted);
  lines.pop_back();
  return lines;
}

TEST(CliAnalyze, JsonAddsUpAndAgreesWithPacking) {
  const PackedTiny tiny;
  const auto json = analyze_json({tiny.source});
  EXPECT_EQ(json["format"], "safetensors");
  EXPECT_EQ(json["sample_share"], 1.0);
  EXPECT_EQ(json["load"]["container_bytes"].get<uint64_t>(), read_file(tiny.container).size());
  EXPECT_EQ(json["input_bytes"].get<uint64_t>(), read_file(tiny.source).size());
  EXPECT_EQ(json["load"]["target"], "mid");
  ASSERT_EQ(json["tensors"].size(), json["tensor_count"]);
  for (const char* groups : {"kinds", "layers", "tensors"}) {
    uint64_t bytes = 0;
    double packed = 0;
    for (const auto& group : json[groups]) {
      bytes += group["bytes"].get<uint64_t>();
      packed += group["packed"]["stored_bytes"].get<double>();
    }
    EXPECT_EQ(bytes, json["total"]["bytes"].get<uint64_t>()) << groups;
    EXPECT_NEAR(packed, json["total"]["packed"]["stored_bytes"].get<double>(), 1e-3) << groups;
  }
  EXPECT_EQ(json["layers"].size(), 5u);  // Four, and what is outside.
  EXPECT_TRUE(json["layers"][0]["layer"].is_null());
  for (const auto& kind : json["kinds"]) {
    if (kind["kind"] != "up") continue;
    EXPECT_EQ(kind["tensor_count"], 4);
    EXPECT_EQ(kind["histogram"]["bins"], "codes");
    EXPECT_EQ(kind["histogram"]["counts"].size(), 256u);
    EXPECT_NEAR(kind["entropy_bits_per_value"].get<double>(),
                kind["whole_entropy_bits_per_value"].get<double>(), 1e-9);
  }
  for (const char* codec : {"zstd", "huffman", "fse", "zstd_literals"}) {
    const auto& figures = json["total"]["codecs"][codec];
    EXPECT_GT(figures["ratio"].get<double>(), 1.0) << codec;
    EXPECT_GT(figures["encode_bytes_per_second"].get<double>(), 0) << codec;
    EXPECT_GT(figures["decode_bytes_per_second"].get<double>(), 0) << codec;
    EXPECT_EQ(figures["stored_bytes_error"], 0.0) << codec;
  }
}

TEST(CliAnalyze, EachTensorIsALineOfJson) {
  const PackedTiny tiny;
  const std::string out = expect_success({"analyze", "--json", tiny.source}).out;
  std::istringstream lines(out);
  size_t found = 0;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("    {\"name\":")) continue;
    if (line.ends_with(',')) line.pop_back();
    EXPECT_TRUE(nlohmann::json::accept(line)) << line;
    ++found;
  }
  EXPECT_EQ(found, parse_output({.exit_code = 0, .out = out})["tensors"].size());
}

TEST(CliAnalyze, ContainersAndSourcesHaveTheSameEntropies) {
  const PackedTiny tiny;
  const auto source = analyze_json({tiny.source});
  const auto container = analyze_json({tiny.container});
  EXPECT_EQ(container["format"], "container");
  EXPECT_EQ(container["input_bytes"], source["input_bytes"]);
  EXPECT_EQ(container["load"]["container_bytes"], source["load"]["container_bytes"]);
  EXPECT_NEAR(container["total"]["entropy_bits_per_value"].get<double>(),
              source["total"]["entropy_bits_per_value"].get<double>(), 1e-9);
  EXPECT_EQ(container["total"]["packed"]["forms"], source["total"]["packed"]["forms"]);
}

TEST(CliAnalyze, CsvHasAColumnForEveryCell) {
  const PackedTiny tiny;
  const auto json = analyze_json({tiny.source});
  const ToolResult result = expect_success({"analyze", "--csv", tiny.source});
  const auto lines = parse_csv(result.out);
  ASSERT_EQ(lines.size(),
            2 + json["kinds"].size() + json["layers"].size() + json["tensors"].size());
  const auto column = [&](const char* title) {
    const auto at = std::ranges::find(lines[0], title);
    EXPECT_NE(at, lines[0].end()) << title;
    return static_cast<size_t>(at - lines[0].begin());
  };
  for (const auto& line : lines) EXPECT_EQ(line.size(), lines[0].size());
  EXPECT_EQ(lines[1][column("row")], "model");
  EXPECT_NEAR(std::stod(lines[1][column("bits_per_value")]),
              json["total"]["entropy_bits_per_value"].get<double>(), 1e-12);
  EXPECT_NEAR(std::stod(lines[1][column("packed_bytes")]),
              json["total"]["packed"]["stored_bytes"].get<double>(), 1e-6);
  EXPECT_EQ(lines.back()[column("row")], "tensor");
  EXPECT_EQ(lines.back()[column("name")], json["tensors"].back()["name"]);
  EXPECT_EQ(result.err, "");
}

TEST(CliAnalyze, HostileNamesStayInTheirCells) {
  const std::string name = "layers.0.\"a\",b\x1b[31m.weight";
  TempDirectory directory;
  const std::string path = (directory / "m.safetensors").string();
  write_file(directory / "m.safetensors",
             safetensors_file("{\"layers.0.\\\"a\\\",b\\u001b[31m.weight\":{\"dtype\":\"I8\","
                              "\"shape\":[4],\"data_offsets\":[0,4]}}",
                              std::vector<std::byte>(4)));
  const auto lines = parse_csv(expect_success({"analyze", "--csv", path}).out);
  EXPECT_EQ(lines.back()[1], "layers.0.\"a\",b\\x1b[31m.weight");
  EXPECT_EQ(lines.back().size(), lines[0].size());
  EXPECT_EQ(analyze_json({path})["tensors"][0]["name"], name);
  EXPECT_EQ(expect_success({"analyze", path}).out.find('\x1b'), std::string::npos);
}

TEST(CliAnalyze, PrintsTables) {
  const PackedTiny tiny;
  const ToolResult text = expect_success({"analyze", tiny.source, "--target", "emmc"});
  for (const char* wanted :
       {"codec", "huffman", "zstd_literals", "order-0 bound", "attn_qkv", "exact", "20 of ",
        "--limit", "A load on emmc (300 MB/s)", "packing pays up to", "x plain"}) {
    EXPECT_NE(text.out.find(wanted), std::string::npos) << wanted << "\n" << text.out;
  }
  EXPECT_EQ(text.err, "");
}

TEST(CliAnalyze, ChoosesAndSortsTensors) {
  const PackedTiny tiny;
  const auto names = [](const nlohmann::json& json) {
    std::vector<std::string> all;
    for (const auto& tensor : json["tensors"]) all.push_back(tensor["name"]);
    return all;
  };
  const auto ups = analyze_json({tiny.source, "--tensors", "*.mlp.up_proj.weight"});
  EXPECT_EQ(names(ups).size(), 4u);
  EXPECT_EQ(ups["tensor_count"], analyze_json({tiny.source})["tensor_count"]);
  const auto sorted = names(analyze_json({tiny.source, "--sort", "name"}));
  EXPECT_TRUE(std::ranges::is_sorted(sorted));
  const auto largest = analyze_json({tiny.source, "--sort", "size", "--limit", "2"});
  ASSERT_EQ(largest["tensors"].size(), 2u);
  EXPECT_EQ(largest["tensors"][0]["kind"], "embedding");
  for (const auto& [order, key] : {std::pair("ratio", "ratio"), {"saved", "stored_bytes"}}) {
    const auto json = analyze_json({tiny.source, "--sort", order});
    double before = 1e30;
    for (const auto& tensor : json["tensors"]) {
      const auto& value = tensor["packed"][key];
      double rank = value.is_null() ? 0 : value.get<double>();
      if (std::string(order) == "saved") rank = tensor["bytes"].get<double>() - rank;
      EXPECT_LE(rank, before) << order;
      before = rank;
    }
  }
}

TEST(CliAnalyze, TakesASampleByShareOrSize) {
  TempDirectory directory;
  const std::string path = (directory / "m.safetensors").string();
  SafetensorsBuilder builder;
  builder.add("layers.0.fc1.weight", "I8", {24, 1 << 20}, gaussian_int8(24 << 20, 20, 1));
  write_file(directory / "m.safetensors", builder.build());
  const auto exact = analyze_json({path, "--measure", "1M"});
  for (const char* sample : {"0.25", "25%", "6M"}) {
    SCOPED_TRACE(sample);
    const auto json = analyze_json({path, "--sample", sample});
    EXPECT_NEAR(json["sample_share"].get<double>(), 0.25, 0.01);
    EXPECT_EQ(json["total"]["read_bytes"], 6 << 20);
    EXPECT_EQ(json["total"]["bytes"], 24 << 20);
    const double error = json["total"]["entropy_bits_per_value_error"].get<double>();
    EXPECT_GT(error, 0);
    EXPECT_LT(std::abs(json["total"]["entropy_bits_per_value"].get<double>() -
                       exact["total"]["entropy_bits_per_value"].get<double>()),
              5 * error);
  }
  EXPECT_EQ(analyze_json({path, "--sample", "1", "--measure", "1M"})["sample_share"], 1.0);
  const std::string text = expect_success({"analyze", path, "--sample", "25%"}).out;
  EXPECT_NE(text.find("25.0 % of the bytes read"), std::string::npos) << text;
  EXPECT_NE(text.find("+-"), std::string::npos) << text;
}

TEST(CliAnalyze, ZerosAndNothingHaveNoRatio) {
  TempDirectory directory;
  const std::string path = (directory / "m.safetensors").string();
  write_file(directory / "m.safetensors",
             SafetensorsBuilder()
                 .add("zeros", "F32", {4096}, std::vector<std::byte>(16384))
                 .add("empty", "F32", {0}, {})
                 .build());
  const auto json = analyze_json({path});
  for (const auto& tensor : json["tensors"]) {
    EXPECT_TRUE(tensor["ratio_bound"].is_null()) << tensor;
    EXPECT_TRUE(tensor["name"] == "zeros" || tensor["packed"]["ratio"].is_null()) << tensor;
  }
  const std::string nothing = (directory / "nothing.safetensors").string();
  write_file(directory / "nothing.safetensors", SafetensorsBuilder().build());
  for (const std::string& file : {path, nothing}) {
    const std::string text = expect_success({"analyze", file}).out;
    EXPECT_EQ(text.find("nan"), std::string::npos) << text;
    EXPECT_EQ(text.find("inf"), std::string::npos) << text;
    for (const auto& line : parse_csv(expect_success({"analyze", "--csv", file}).out)) {
      for (const std::string& cell : line) {
        EXPECT_TRUE(cell != "nan" && cell != "inf" && cell != "-nan" && cell != "-inf");
      }
    }
  }
}

// The memory of a pass does not grow with the model: half a gigabyte, most of it a hole.
TEST(CliAnalyze, MemoryIsBounded) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers take memory of their own";
#endif
  constexpr uint64_t kBytes = 512u << 20;
  TempDirectory directory;
  const std::string path = (directory / "m.safetensors").string();
  const std::string header =
      "{\"layers.0.fc1.weight\":{\"dtype\":\"BF16\",\"shape\":[65536,4096],"
      "\"data_offsets\":[0,536870912]}}";
  write_file(directory / "m.safetensors", safetensors_file(header, {}));
  std::filesystem::resize_file(path, std::filesystem::file_size(path) + kBytes);
  const auto json = analyze_json({path});
  EXPECT_EQ(json["total"]["read_bytes"], kBytes);
  rusage usage = {};
  getrusage(RUSAGE_CHILDREN, &usage);  // The largest of all commands that this test ran.
  EXPECT_LT(usage.ru_maxrss, 256 << 10);
}

TEST(CliAnalyze, ErrorsAreOneLineAndHaveCodes) {
  const PackedTiny tiny;
  expect_failure({"analyze"}, 2, "input");
  expect_failure({"analyze", tiny / "absent"}, 5, "absent");
  expect_failure({"analyze", tiny.source, "--target", "floppy"}, 5, "nvme3");
  for (const char* sample : {"0", "-1", "1.5", "200%", "x", "", "nan", "2X"}) {
    expect_failure({"analyze", tiny.source, std::string("--sample=") + sample}, 2, "--sample");
  }
  expect_failure({"analyze", tiny.source, "--csv", "--json"}, 2, "--csv");
  expect_failure({"analyze", tiny.source, "--sort", "beauty"}, 2, "--sort");
  write_file(tiny / "bad.safetensors", std::string_view("no header"));
  expect_failure({"analyze", tiny / "bad.safetensors"}, 3, "bad.safetensors");
  auto bytes = read_file(tiny.container);
  bytes[100'000] ^= std::byte{1};
  write_file(tiny / "flipped.qpk", bytes);
  expect_failure({"analyze", tiny / "flipped.qpk"}, 3, "tensor");
  const ToolResult help = expect_success({"analyze", "--help"});
  for (const char* wanted : {"--sample", "--measure", "Exit codes", "Example"}) {
    EXPECT_NE(help.out.find(wanted), std::string::npos) << wanted;
  }
}

TEST(CliAnalyze, DrawsProgress) {
  const PackedTiny tiny;
  const ToolResult result = expect_success({"analyze", tiny.source, "--progress", "always"});
  EXPECT_NE(result.err.find("analyze ["), std::string::npos) << result.err;
}

}  // namespace
}  // namespace qload::test
