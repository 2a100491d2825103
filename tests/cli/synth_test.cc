// synth: the same bytes for any number of threads, and entropies of trained weights.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <map>

#include "format/input/model_source.h"
#include "tests/cli/run_tool.h"

namespace qload::test {
namespace {

double entropy(const std::map<int, uint64_t>& counts) {
  double total = 0;
  for (const auto& [symbol, count] : counts) total += static_cast<double>(count);
  double bits = 0;
  for (const auto& [symbol, count] : counts) {
    const double share = static_cast<double>(count) / total;
    bits -= share * std::log2(share);
  }
  return bits;
}

ModelSource open_source(const std::string& path) {
  auto source = open_model_source(path, OpenAs::kDetect);
  EXPECT_TRUE(source.ok()) << source.error().message();
  return source.ok() ? std::move(*source) : ModelSource();
}

std::vector<std::byte> tensor_bytes(const ModelSource& source, const SourceTensor& tensor) {
  std::vector<std::byte> bytes(tensor.bytes);
  EXPECT_TRUE(source.read(tensor.file, tensor.offset, bytes).ok());
  return bytes;
}

double byte_entropy(const std::vector<std::byte>& bytes) {
  std::map<int, uint64_t> counts;
  for (const std::byte byte : bytes) ++counts[static_cast<int>(byte)];
  return entropy(counts);
}

/// Mean entropy of the I8 tensors whose name holds `part`.
double mean_int8_entropy(const ModelSource& source, std::string_view part) {
  double sum = 0;
  int count = 0;
  for (const SourceTensor& tensor : source.tensors()) {
    if (tensor.dtype != DType::kI8 || tensor.name.find(part) == std::string::npos) continue;
    sum += byte_entropy(tensor_bytes(source, tensor));
    ++count;
  }
  EXPECT_GT(count, 0) << part;
  return count == 0 ? 0 : sum / count;
}

TEST(CliSynth, SameBytesForAnyNumberOfThreads) {
  const TempDirectory directory;
  for (const char* scheme : {"int8_channel", "bf16"}) {
    const std::string one = directory / "one.safetensors";
    const std::string many = directory / "many.safetensors";
    const std::vector<std::string> arguments = {"synth",  "--model", "tiny",    "--scheme", scheme,
                                                "--seed", "7",       "--force", "--layers", "3"};
    auto with = [&](const std::string& path, const std::string& threads) {
      auto all = arguments;
      all.insert(all.end(), {"-o", path, "--threads", threads});
      expect_success(all);
    };
    with(one, "1");
    with(many, "5");
    EXPECT_EQ(read_file(one), read_file(many)) << scheme;
  }
}

TEST(CliSynth, SeedsDiffer) {
  const TempDirectory directory;
  expect_success({"synth", "-o", directory / "1.gguf", "--model", "tiny", "--scheme", "q8_0"});
  expect_success(
      {"synth", "-o", directory / "2.gguf", "--model", "tiny", "--scheme", "q8_0", "--seed", "2"});
  EXPECT_NE(read_file(directory / "1.gguf"), read_file(directory / "2.gguf"));
}

TEST(CliSynth, TensorWiseEntropiesAreThoseOfThePaper) {
  const TempDirectory directory;
  const std::string path = directory / "tensor.safetensors";
  expect_success(
      {"synth", "-o", path, "--model", "tiny", "--scheme", "int8_tensor", "--layers", "6"});
  const ModelSource source = open_source(path);
  // Ratios 1.31, 1.71, 1.45 and 1.99 of the paper's table 1, as bits of a byte.
  EXPECT_NEAR(mean_int8_entropy(source, "q_proj"), 8 / 1.31, 0.3);
  EXPECT_NEAR(mean_int8_entropy(source, "o_proj"), 8 / 1.71, 0.4);
  EXPECT_NEAR(mean_int8_entropy(source, "up_proj"), 8 / 1.45, 0.3);
  EXPECT_NEAR(mean_int8_entropy(source, "down_proj"), 8 / 1.99, 0.4);
  for (const SourceTensor& tensor : source.tensors()) {
    if (tensor.dtype != DType::kI8) continue;
    const auto bytes = tensor_bytes(source, tensor);
    EXPECT_GT(byte_entropy(bytes), 3.5) << tensor.name;
    EXPECT_LT(byte_entropy(bytes), 6.4) << tensor.name;
    // Equation 2: the largest weight becomes 127, and nothing -128.
    int largest = 0;
    for (const std::byte byte : bytes) {
      largest = std::max(largest, std::abs(static_cast<int8_t>(byte)));
    }
    EXPECT_EQ(largest, 127) << tensor.name;
  }
}

TEST(CliSynth, ChannelWiseHasAScaleAndA127InEachRow) {
  const TempDirectory directory;
  const std::string path = directory / "channel.safetensors";
  // Rows as long as a real model's: narrow ones would overstate the entropy.
  expect_success({"synth", "-o", path, "--model", "tinyllama-1.1b", "--scheme", "int8_channel",
                  "--layers", "1"});
  const ModelSource source = open_source(path);
  for (const char* part : {"q_proj", "o_proj", "up_proj", "down_proj"}) {
    const double bits = mean_int8_entropy(source, part);
    EXPECT_GT(bits, 6.5) << part;
    EXPECT_LT(bits, 7.3) << part;
  }
  uint64_t scales = 0;
  for (const SourceTensor& tensor : source.tensors()) {
    if (tensor.name.ends_with("_scale")) scales += tensor.shape[0];
    if (tensor.name != "model.layers.0.self_attn.q_proj.weight") continue;
    const auto bytes = tensor_bytes(source, tensor);
    for (uint64_t row = 0; row < tensor.shape[0]; ++row) {
      int largest = 0;
      for (uint64_t i = 0; i < tensor.shape[1]; ++i) {
        const auto value = static_cast<int8_t>(bytes[row * tensor.shape[1] + i]);
        largest = std::max(largest, std::abs(value));
      }
      ASSERT_EQ(largest, 127) << "row " << row;
    }
  }
  EXPECT_EQ(scales, 2 * 32000u + 2 * 2048 + 2 * 256 + 2 * 5632 + 2048);
}

TEST(CliSynth, Bf16ExponentsHaveTheirUsualEntropy) {
  const TempDirectory directory;
  const std::string path = directory / "bf16.safetensors";
  expect_success({"synth", "-o", path, "--model", "tiny", "--scheme", "bf16"});
  const ModelSource source = open_source(path);
  for (const SourceTensor& tensor : source.tensors()) {
    EXPECT_EQ(tensor.dtype, DType::kBF16);
    if (tensor.shape.size() != 2) continue;
    const auto bytes = tensor_bytes(source, tensor);
    std::map<int, uint64_t> exponents;
    for (size_t i = 0; i + 2 <= bytes.size(); i += 2) {
      const int bits = static_cast<int>(bytes[i]) | static_cast<int>(bytes[i + 1]) << 8;
      ++exponents[(bits >> 7) & 0xFF];
    }
    EXPECT_GT(entropy(exponents), 2.55) << tensor.name;
    EXPECT_LT(entropy(exponents), 2.9) << tensor.name;
  }
}

TEST(CliSynth, WritesGgufThatReadsBack) {
  const TempDirectory directory;
  for (const char* scheme : {"q8_0", "q4_0", "q4_k", "f16", "f32", "bf16"}) {
    const std::string path = directory / (std::string(scheme) + ".gguf");
    expect_success({"synth", "-o", path, "--model", "tiny", "--scheme", scheme});
    const ModelSource source = open_source(path);
    ASSERT_EQ(source.files().size(), 1u);
    EXPECT_EQ(source.files()[0].format, SourceFormat::kGguf);
    EXPECT_EQ(source.tensors().size(), 39u);
    bool found = false;
    for (const SourceTensor& tensor : source.tensors()) {
      if (tensor.name != "blk.3.ffn_down.weight") continue;
      found = true;
      EXPECT_EQ(tensor.shape, (std::vector<uint64_t>{256, 704}));
    }
    EXPECT_TRUE(found);
  }
}

TEST(CliSynth, SizeChoosesTheNumberOfLayers) {
  const TempDirectory directory;
  const std::string path = directory / "sized.safetensors";
  const auto json = parse_output(expect_success(
      {"synth", "-o", path, "--model", "tiny", "--size", "8M", "--stats", "--json"}));
  const double bytes = json["file_bytes"];
  EXPECT_NEAR(bytes, 8 << 20, 400e3);
  EXPECT_EQ(json["file_bytes"], read_file(path).size());
  EXPECT_FALSE(json["entropies"].empty());
  expect_failure({"synth", "-o", path, "--model", "tiny"}, 2, "exists");
}

}  // namespace
}  // namespace qload::test
