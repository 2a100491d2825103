// qpack quantize as its users meet it: what it prints, exit codes, and that its output packs.
#include <gtest/gtest.h>

#include "format/input/model_source.h"
#include "tests/cli/run_tool.h"
#include "tests/support/model_fixtures.h"

namespace qload::test {
namespace {

/// A Llama of BF16 by synth.
struct TinyFloats {
  TinyFloats() : source(directory / "tiny.safetensors") {
    expect_success({"synth", "-o", source, "--model", "tiny", "--scheme", "bf16", "--layers", "1"});
  }
  std::string operator/(const std::string& name) const { return directory / name; }
  TempDirectory directory;
  std::string source;
};

/// A model of one matrix, and activations for it.
struct OneMatrix {
  explicit OneMatrix(std::vector<std::byte> weights = gaussian_f32(32 * 32, 1, 1))
      : source(directory / "one.safetensors"), activations(directory / "activations.safetensors") {
    write_file(source, SafetensorsBuilder().add("w", "F32", {32, 32}, std::move(weights)).build());
    std::vector<float> maxima(32, 1.0f);
    maxima[3] = 10;
    const auto bytes = std::as_bytes(std::span(maxima));
    write_file(activations,
               SafetensorsBuilder().add("w", "F32", {32}, {bytes.begin(), bytes.end()}).build());
  }
  std::string operator/(const std::string& name) const { return directory / name; }
  TempDirectory directory;
  std::string source;
  std::string activations;
};

TEST(CliQuantize, EverySchemeWritesAModelThatPacks) {
  const TinyFloats tiny;
  for (const char* scheme : {"tensor", "channel", "q8_0", "q4_0"}) {
    SCOPED_TRACE(scheme);
    const std::string output =
        tiny / (std::string(scheme) + (scheme[0] == 'q' ? ".gguf" : ".safetensors"));
    const ToolResult result =
        expect_success({"quantize", tiny.source, "-o", output, "--scheme", scheme});
    EXPECT_NE(result.out.find("tensors quantized"), std::string::npos) << result.out;
    EXPECT_EQ(result.err, "");
    expect_success({"pack", output, "-o", tiny / "packed.qpk", "--force"});
    expect_success({"load", tiny / "packed.qpk", "--check", output});
  }
}

TEST(CliQuantize, Json) {
  const OneMatrix one;
  const std::string output = one / "out.safetensors";
  const auto json = parse_output(
      expect_success({"quantize", one.source, "-o", output, "--scheme", "llm_int8", "--activations",
                      one.activations, "--threshold", "5", "--stats", "--json"}));
  EXPECT_EQ(json["input"], one.source);
  EXPECT_EQ(json["output"], output);
  EXPECT_EQ(json["scheme"], "llm_int8");
  EXPECT_EQ(json["quantization"], "llm_int8 threshold=5");
  EXPECT_EQ(json["source_bytes"], std::filesystem::file_size(one.source));
  EXPECT_EQ(json["output_bytes"], std::filesystem::file_size(output));
  EXPECT_EQ(json["tensor_count"], 1);
  EXPECT_EQ(json["quantized_count"], 1);
  EXPECT_EQ(json["outlier_count"], 1);
  ASSERT_EQ(json["tensors"].size(), 1u);
  const auto& tensor = json["tensors"][0];
  EXPECT_EQ(tensor["name"], "w");
  EXPECT_EQ(tensor["source_dtype"], "F32");
  EXPECT_EQ(tensor["shape"], (std::vector<int>{32, 32}));
  EXPECT_EQ(tensor["outlier_count"], 1);
  EXPECT_NEAR(tensor["kurtosis"].get<double>(), 3, 0.6);
  EXPECT_GT(tensor["sqnr_decibels"].get<double>(), 35);
  EXPECT_GT(tensor["source_entropy_bits"].get<double>(), 20);
  EXPECT_LT(tensor["code_entropy_bits"].get<double>(), 8);
  // Without --stats there are no figures.
  const auto plain = parse_output(expect_success(
      {"quantize", one.source, "-o", output, "--scheme", "tensor", "--json", "--force"}));
  EXPECT_FALSE(plain["tensors"][0].contains("kurtosis"));
}

TEST(CliQuantize, StatisticsTable) {
  const OneMatrix one(std::vector<std::byte>(32 * 32 * 4));
  const ToolResult result = expect_success(
      {"quantize", one.source, "-o", one / "out.safetensors", "--scheme", "tensor", "--stats"});
  EXPECT_NE(result.out.find("absmax/std"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("w       F32   [32, 32]           -         -        -"),
            std::string::npos)
      << result.out;
}

TEST(CliQuantize, Notes) {
  const OneMatrix one;
  const ToolResult stored =
      expect_success({"quantize", one.source, "-o", one / "out.safetensors", "--scheme",
                      "smoothquant", "--activations", one.activations});
  EXPECT_NE(stored.out.find("note: smoothing factors of 1 linears are stored"), std::string::npos)
      << stored.out;
  const ToolResult kept =
      expect_success({"quantize", one.source, "-o", one / "out.gguf", "--scheme", "q8_0"});
  EXPECT_NE(kept.out.find("note: names are the input's"), std::string::npos) << kept.out;
  const TinyFloats tiny;
  const ToolResult llama =
      expect_success({"quantize", tiny.source, "-o", tiny / "out.gguf", "--scheme", "q8_0"});
  EXPECT_EQ(llama.out.find("note: names are the input's"), std::string::npos) << llama.out;
}

TEST(CliQuantize, ExitCodesAndNothingLeft) {
  std::vector<std::byte> weights = gaussian_f32(32 * 32, 1, 1);
  weights[4 * (5 * 32 + 6) + 3] = std::byte{0x7F};  // A NaN or a huge number ...
  weights[4 * (5 * 32 + 6) + 2] = std::byte{0xC0};  // ... a NaN.
  const OneMatrix broken(weights);
  const OneMatrix one;
  const std::string output = one / "out.safetensors";
  const auto fails = [&](std::vector<std::string> more, int code, const std::string& message) {
    std::vector<std::string> arguments = {"quantize", "-o", output};
    arguments.insert(arguments.end(), more.begin(), more.end());
    expect_failure(arguments, code, message);
    EXPECT_FALSE(std::filesystem::exists(output));
  };
  fails({broken.source, "--scheme", "tensor"}, 3, "row 5, column 6 is NaN");
  fails({one / "missing", "--scheme", "tensor"}, 5, "missing");
  fails({one.source, "--scheme", "smoothquant", "--activations", one / "missing"}, 5, "missing");
  fails({one.source, "--scheme", "llm_int8", "--activations", one.source}, 3,
        "have shape [32, 32], expected [32]");
  fails({one.activations, "--scheme", "tensor"}, 2, "none of 1 tensors can be quantized");
  // Usage.
  fails({one.source, "--scheme", "int4"}, 2, "int4");
  fails({one.source}, 2, "--scheme is required");
  fails({one.source, "--scheme", "smoothquant"}, 2, "needs --activations");
  fails({one.source, "--scheme", "q8_0"}, 2, "does not end in .gguf");
  fails({one.source, "--scheme", "tensor", "--axis", "row"}, 2, "--axis says nothing to");
  fails({one.source, "--scheme", "tensor", "--alpha", "0.5"}, 2, "--alpha says nothing to");
  fails({one.source, "--scheme", "tensor", "--threshold", "5"}, 2, "--threshold says nothing to");
  fails({one.source, "--scheme", "tensor", "--no-fold"}, 2, "--no-fold says nothing to");
  fails({one.source, "--scheme", "tensor", "--config", "x"}, 2, "--config says nothing to");
  fails({one.source, "--scheme", "channel", "--activations", "x"}, 2,
        "--activations says nothing to");
  fails({one.source, "--scheme", "smoothquant", "--activations", one.activations, "--alpha", "2"},
        2, "alpha");
  fails({one.source, "--scheme", "channel", "--axis", "diagonal"}, 2, "diagonal");
  EXPECT_EQ(list_directory(one.directory.path()),
            (std::vector<std::string>{"activations.safetensors", "one.safetensors"}));
}

TEST(CliQuantize, AnExistingOutputNeedsForce) {
  const OneMatrix one;
  const std::string output = one / "out.safetensors";
  write_file(output, std::string_view("before"));
  expect_failure({"quantize", one.source, "-o", output, "--scheme", "tensor"}, 2, "--force");
  EXPECT_EQ(read_file(output), to_bytes("before"));
  expect_success({"quantize", one.source, "-o", output, "--scheme", "tensor", "--force"});
  EXPECT_NE(read_file(output), to_bytes("before"));
}

TEST(CliQuantize, DrawsProgress) {
  const OneMatrix one;
  const ToolResult result = expect_success({"quantize", one.source, "-o", one / "out.safetensors",
                                            "--scheme", "tensor", "--progress", "always"});
  EXPECT_NE(result.err.find("quantize ["), std::string::npos) << result.err;
}

}  // namespace
}  // namespace qload::test
