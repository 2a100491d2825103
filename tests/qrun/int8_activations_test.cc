// W8A8: the engine with INT8 activations against the formulas with inputs quantized token by token.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <string>

#include "tests/qrun/engine_fixture.h"
#include "tests/qrun/llama_fixture.h"
#include "tests/qrun/llama_reference.h"
#include "tests/qrun/quantized_fixture.h"
#include "tests/support/test_files.h"

namespace qload::qrun {
namespace {

using encode::Encoding;
using test::Engine;
using test::TempDirectory;

constexpr TransformerOptions kInt8{.position_count = 80, .activations = ActivationType::kInt8};

/// What an input stands for once it is INT8, but for `kept` columns.
void quantize(std::vector<double>& input, const std::vector<uint64_t>& kept) {
  const auto is_kept = [&](size_t i) { return std::ranges::find(kept, i) != kept.end(); };
  double largest = 0;
  for (size_t i = 0; i < input.size(); ++i) {
    if (!is_kept(i)) largest = std::max(largest, std::abs(input[i]));
  }
  const double scale = largest / 127;
  for (size_t i = 0; i < input.size(); ++i) {
    if (!is_kept(i)) input[i] = std::nearbyint(input[i] / scale) * scale;
  }
}

/// The largest difference, as a share of the largest logit.
double distance(std::span<const float> logits, const std::vector<double>& expected) {
  double largest = 0;
  double difference = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::abs(expected[i]));
    difference = std::max(difference, std::abs(logits[i] - expected[i]));
  }
  return difference / largest;
}

/// Runs short sequences that share no token, and compares with the formulas under `change`. An
/// element on the edge between two codes falls to one side in floats and to the other in double,
/// and what follows with it; most sequences have none, and agree as floats do.
void expect_most_agree(const std::filesystem::path& path, const test::LlamaFixture& llama,
                       const test::InputChange& change) {
  int agreeing = 0;
  int agreeing_in_floats = 0;
  const uint32_t sequence_count = llama.dense.vocabulary / 2;
  for (uint32_t i = 0; i < sequence_count; ++i) {
    const uint32_t tokens[] = {2 * i, 2 * i + 1};
    const std::vector<double> expected =
        test::run_reference(llama.dense, tokens, change).logits.back();
    agreeing += distance(Engine(path, {}, kInt8).logits(tokens), expected) < 1e-5;
    agreeing_in_floats += distance(Engine(path, {}).logits(tokens), expected) < 1e-3;
  }
  EXPECT_GT(agreeing, static_cast<int>(sequence_count / 2));
  EXPECT_EQ(agreeing_in_floats, 0);
}

class Int8Activations : public ::testing::Test {
 protected:
  std::filesystem::path write(const test::LlamaFixture& llama) {
    test::write_file(directory_ / "model.safetensors", test::as_safetensors(llama));
    return directory_ / "model.safetensors";
  }
  TempDirectory directory_;
};

TEST_F(Int8Activations, AreTheFormulasOfQuantizedInputs) {
  for (const bool tied : {false, true}) {
    const test::LlamaFixture llama = test::make_llama(Encoding::kInt8Channel, tied, 31);
    const auto path = write(llama);
    expect_most_agree(path, llama,
                      [](const std::string&, std::vector<double>& input) { quantize(input, {}); });
    test::expect_same_logits(path, test::some_tokens(70, llama.dense.vocabulary), kInt8);
  }
}

// Scales are a token's own: who shares its pass does not matter.
TEST_F(Int8Activations, OneByOneIsAsTogether) {
  const test::LlamaFixture llama = test::make_llama(Encoding::kInt8Tensor, false, 32);
  const std::vector<uint32_t> tokens = test::some_tokens(20, llama.dense.vocabulary);
  const auto path = write(llama);
  Engine single(path, {.thread_count = 2}, kInt8);
  std::vector<float> last;
  for (const uint32_t token : tokens) last = single.logits({&token, 1});
  EXPECT_EQ(Engine(path, {}, kInt8).logits(tokens), last);
}

TEST_F(Int8Activations, ChangeNothingWhereWeightsAreFloats) {
  const test::LlamaFixture llama = test::make_llama(Encoding::kF16, false, 33);
  const std::vector<uint32_t> tokens = test::some_tokens(5, llama.dense.vocabulary);
  const auto path = write(llama);
  EXPECT_EQ(Engine(path, {}, kInt8).logits(tokens), Engine(path, {}).logits(tokens));
}

// What is divided out of the input has to go before its scale is taken.
TEST_F(Int8Activations, SmoothedInputs) {
  test::LlamaFixture llama = test::make_llama(Encoding::kInt8Tensor, false, 34);
  test::add_smoothing(llama, 35);
  const auto path = write(llama);
  std::map<std::string, std::vector<float>> smooth;
  for (const test::EncodedTensor& tensor : llama.tensors) {
    if (tensor.companions.empty()) continue;
    std::vector<float>& values = smooth[tensor.name];
    values.resize(tensor.columns);
    std::memcpy(values.data(), tensor.companions[0].bytes.data(), tensor.columns * sizeof(float));
  }
  expect_most_agree(path, llama, [&](const std::string& module, std::vector<double>& input) {
    const std::vector<float>& divisors = smooth.at(module + ".weight");
    for (size_t i = 0; i < input.size(); ++i) input[i] /= divisors[i];
    quantize(input, {});
    for (size_t i = 0; i < input.size(); ++i) input[i] *= divisors[i];
  });
  test::expect_same_logits(path, test::some_tokens(70, llama.dense.vocabulary), kInt8);
}

TEST_F(Int8Activations, OutlierColumnsStayFloats) {
  test::LlamaFixture llama = test::make_llama(Encoding::kInt8Channel, true, 36);
  test::add_outlier_columns(llama, 6, 37);
  const auto path = write(llama);
  std::map<std::string, std::vector<uint64_t>> columns;
  for (const test::EncodedTensor& tensor : llama.tensors) {
    if (tensor.companions.empty()) continue;
    std::vector<int32_t> numbers(6);
    std::memcpy(numbers.data(), tensor.companions[1].bytes.data(), 6 * sizeof(int32_t));
    columns[tensor.name] = {numbers.begin(), numbers.end()};
  }
  expect_most_agree(path, llama, [&](const std::string& module, std::vector<double>& input) {
    quantize(input,
             columns.at(module == "lm_head" ? "model.embed_tokens.weight" : module + ".weight"));
  });
  test::expect_same_logits(path, test::some_tokens(70, llama.dense.vocabulary), kInt8);
}

}  // namespace
}  // namespace qload::qrun
