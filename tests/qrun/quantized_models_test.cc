// Models as quantizers leave them: smoothing, scales of columns, outlier columns; every way of
// bringing weights against the formulas.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
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
using test::LlamaFixture;
using test::TempDirectory;

LlamaFixture make_quantized(const std::string& scheme, bool tied) {
  const bool by_tensor = scheme == "smooth_tensor" || scheme == "columns";
  LlamaFixture llama =
      test::make_llama(by_tensor ? Encoding::kInt8Tensor : Encoding::kInt8Channel, tied, 21);
  if (scheme.starts_with("columns")) test::use_column_scales(llama, 22);
  if (scheme.find("smooth") != std::string::npos) test::add_smoothing(llama, 23);
  if (scheme == "outliers_one") test::add_outlier_columns(llama, 1, 24);
  if (scheme == "outliers_none") test::add_outlier_columns(llama, 0, 24);
  if (scheme == "outliers") test::add_outlier_columns(llama, 19, 24);
  return llama;
}

class EveryScheme : public ::testing::TestWithParam<std::tuple<const char*, bool>> {};

TEST_P(EveryScheme, LogitsAreTheFormulas) {
  const auto [scheme, tied] = GetParam();
  const LlamaFixture llama = make_quantized(scheme, tied);
  const std::vector<uint32_t> tokens = test::some_tokens(70, llama.dense.vocabulary);
  const TempDirectory directory;
  test::write_file(directory / "model.safetensors", test::as_safetensors(llama));
  test::expect_near(test::expect_same_logits(directory / "model.safetensors", tokens),
                    test::reference_logits(llama.dense, tokens));
}

INSTANTIATE_TEST_SUITE_P(Qrun, EveryScheme,
                         ::testing::Combine(::testing::Values("smooth_tensor", "smooth_rows",
                                                              "columns", "columns_smooth",
                                                              "outliers_none", "outliers_one",
                                                              "outliers"),
                                            ::testing::Bool()),
                         [](const auto& tested) {
                           return std::string(std::get<0>(tested.param)) +
                                  (std::get<1>(tested.param) ? "_tied" : "");
                         });

// Smoothing may be stored beside weights of any type.
TEST(QuantizedModels, SmoothingOfFloats) {
  LlamaFixture llama = test::make_llama(Encoding::kBF16, false, 3);
  test::add_smoothing(llama, 4);
  const std::vector<uint32_t> tokens = test::some_tokens(20, llama.dense.vocabulary);
  const TempDirectory directory;
  test::write_file(directory / "model.safetensors", test::as_safetensors(llama));
  test::expect_near(Engine(directory / "model.safetensors", {}).logits(tokens),
                    test::reference_logits(llama.dense, tokens));
}

/// A model with hand-broken numbers in one tensor beside a matrix of layer 1.
class BrokenNumbers : public ::testing::Test {
 protected:
  static constexpr const char* kMatrix = "model.layers.1.mlp.up_proj.weight";

  /// Puts `number` at element `element` of the companion `suffix`, and runs a token.
  template <class Number>
  std::string break_at(LlamaFixture llama, const std::string& suffix, size_t element,
                       Number number) {
    for (test::EncodedTensor& tensor : llama.tensors) {
      if (tensor.name != kMatrix) continue;
      for (test::EncodedTensor::Companion& companion : tensor.companions) {
        if (companion.suffix != suffix) continue;
        std::memcpy(companion.bytes.data() + element * sizeof number, &number, sizeof number);
      }
    }
    const auto path = directory_ / "model.safetensors";
    test::write_file(path, test::as_safetensors(llama));
    std::string message;
    for (const test::WeightForm& form : test::every_form(path)) {
      Engine engine(form.path, form.options);
      const auto result = engine.transformer().forward(test::some_tokens(1, 50));
      if (result.ok()) return "it runs";
      EXPECT_EQ(result.error().code(), ErrorCode::kCorrupt);
      if (message.empty()) message = result.error().message();
      EXPECT_EQ(result.error().message(), message);
    }
    return message;
  }
  TempDirectory directory_;
};

TEST_F(BrokenNumbers, OutlierColumns) {
  LlamaFixture llama = test::make_llama(Encoding::kInt8Channel, false, 1);
  test::add_outlier_columns(llama, 3, 2);
  const auto error = [](const char* found, int element) {
    return std::string("tensor \"") + kMatrix + "_outlier_columns\" has " + found + " at element " +
           std::to_string(element) + ", expected increasing columns in [0, 64)";
  };
  EXPECT_EQ(break_at<int32_t>(llama, "_outlier_columns", 2, 64), error("64", 2));
  EXPECT_EQ(break_at<int32_t>(llama, "_outlier_columns", 0, -1), error("-1", 0));
  EXPECT_EQ(break_at<int32_t>(llama, "_outlier_columns", 1, INT32_MIN), error("-2147483648", 1));
  EXPECT_EQ(break_at<int32_t>(llama, "_outlier_columns", 2, INT32_MAX), error("2147483647", 2));
  EXPECT_EQ(break_at<int32_t>(llama, "_outlier_columns", 2, 0), error("0", 2));
  EXPECT_EQ(break_at<int32_t>(llama, "_outlier_columns", 2, 63), "it runs") << "the last column";
}

TEST_F(BrokenNumbers, EqualOutlierColumns) {
  LlamaFixture llama = test::make_llama(Encoding::kInt8Channel, false, 1);
  test::add_outlier_columns(llama, 64, 2);  // All of them: 0, 1, 2, ...
  EXPECT_NE(break_at<int32_t>(llama, "_outlier_columns", 5, 4).find("has 4 at element 5"),
            std::string::npos);
  EXPECT_EQ(break_at<int32_t>(llama, "_outlier_columns", 5, 5), "it runs");
}

TEST_F(BrokenNumbers, Smoothing) {
  LlamaFixture llama = test::make_llama(Encoding::kInt8Tensor, false, 1);
  test::add_smoothing(llama, 2);
  for (const float number : {0.0f, -0.0f, -1.0f, HUGE_VALF, std::nanf("")}) {
    const std::string message = break_at(llama, "_smooth", 63, number);
    EXPECT_NE(message.find("up_proj.weight_smooth\" has "), std::string::npos) << message;
    EXPECT_NE(message.find(" at element 63, expected a finite number above 0"), std::string::npos)
        << message;
  }
  EXPECT_EQ(break_at(llama, "_smooth", 63, 1e-38f), "it runs");
}

}  // namespace
}  // namespace qload::qrun
