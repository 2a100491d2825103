// The file of activation maxima: both kinds of names, and everything that can be wrong with it; and
// outlier channels of LLM.int8() that follow from it.
#include "tools/quantize/activation_maxima.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/quantize/layer_reference.h"
#include "tests/quantize/quantize_fixture.h"
#include "tests/quantize/quantize_reference.h"

namespace qload::test {
namespace {

using quantize::QuantizeOptions;
using quantize::Scheme;
using testing::HasSubstr;

constexpr uint64_t kRows = 20;
constexpr uint64_t kColumns = 24;
constexpr const char* kWeight = "layers.0.fc1.weight";

std::vector<float> small_maxima() { return std::vector<float>(kColumns, 1.0f); }

/// One linear, and activations as given.
class ActivationFile : public testing::Test {
 protected:
  QuantizeOptions options(Scheme scheme, const StoredModel& activations) const {
    write_model(fixture_.activations(), activations);
    return {.scheme = scheme, .activations = fixture_.activations()};
  }

  void expect_refused(const StoredModel& activations, ErrorCode code, const char* message) const {
    for (const Scheme scheme : {Scheme::kSmoothQuant, Scheme::kLlmInt8}) {
      const Error error = fixture_.fail(options(scheme, activations));
      EXPECT_EQ(error.code(), code) << error.message();
      EXPECT_THAT(std::string(error.message()), HasSubstr(message));
    }
  }

  void expect_value_refused(float value, const char* message) const {
    std::vector<float> maxima = small_maxima();
    maxima[9] = value;
    expect_refused({{kWeight, make_floats({kColumns}, maxima)}}, ErrorCode::kCorrupt, message);
  }

  const StoredTensor weight_ = random_floats({kRows, kColumns}, 3);
  const QuantizeFixture fixture_ = QuantizeFixture({{kWeight, weight_}});
};

TEST_F(ActivationFile, BothNamesAreAccepted) {
  std::vector<float> maxima = small_maxima();
  maxima[5] = 7;
  const StoredTensor vector = make_floats({kColumns}, maxima);
  const StoredTensor other = make_floats({kColumns}, small_maxima());
  const std::vector<int32_t> expected = {5};
  for (const StoredModel& file :
       {StoredModel{{kWeight, vector}}, StoredModel{{"layers.0.fc1", vector}},
        // The module's name comes first; samples are for others.
        StoredModel{{"layers.0.fc1", vector},
                    {kWeight, other},
                    {"layers.0.fc1_sample", random_floats({3, kColumns}, 1)}}}) {
    const StoredModel out = fixture_.quantize(options(Scheme::kLlmInt8, file));
    EXPECT_EQ(out.at(std::string(kWeight) + "_outlier_columns").integers(), expected);
  }
}

TEST_F(ActivationFile, MissingIsNamed) {
  const StoredModel other = {{"layers.1.fc1", make_floats({kColumns}, small_maxima())}};
  expect_refused(other, ErrorCode::kNotFound, "no activations for weight \"layers.0.fc1.weight\"");
}

TEST_F(ActivationFile, MissingFile) {
  for (const Scheme scheme : {Scheme::kSmoothQuant, Scheme::kLlmInt8}) {
    EXPECT_EQ(fixture_.fail({.scheme = scheme, .activations = "no/such/file"}).code(),
              ErrorCode::kNotFound);
    EXPECT_EQ(fixture_.fail({.scheme = scheme}).code(), ErrorCode::kInvalidArgument);
  }
}

TEST_F(ActivationFile, WrongShapeAndType) {
  expect_refused({{kWeight, random_floats({kRows}, 1)}}, ErrorCode::kCorrupt,
                 "have shape [20], expected [24]");
  expect_refused({{kWeight, random_floats({1, kColumns}, 1)}}, ErrorCode::kCorrupt,
                 "have shape [1, 24], expected [24]");
  expect_refused({{kWeight, {DType::kF16, {kColumns}, random_bytes(2 * kColumns, 1)}}},
                 ErrorCode::kCorrupt, "are F16, expected F32");
}

TEST_F(ActivationFile, WrongValues) {
  expect_value_refused(-1, "value 9 is negative");
  expect_value_refused(std::numeric_limits<float>::quiet_NaN(), "value 9 is not a number");
  expect_value_refused(std::numeric_limits<float>::infinity(), "value 9 is infinite");
}

/// Channels that never fire, and weights that are zero there, stay as they are.
TEST_F(ActivationFile, ZerosSmoothNothing) {
  std::vector<float> maxima = small_maxima();
  maxima[4] = 0;
  std::vector<float> weights = weight_.floats();
  for (uint64_t row = 0; row < kRows; ++row) weights[row * kColumns + 6] = 0;
  const QuantizeFixture fixture({{kWeight, make_floats({kRows, kColumns}, weights)}});
  write_model(fixture.activations(), {{kWeight, make_floats({kColumns}, maxima)}});
  const StoredModel out =
      fixture.quantize({.scheme = Scheme::kSmoothQuant, .activations = fixture.activations()});
  const std::vector<float> factors = out.at(std::string(kWeight) + "_smooth").floats();
  for (uint64_t i = 0; i < kColumns; ++i) EXPECT_EQ(factors[i] == 1.0f, i == 4 || i == 6) << i;
}

/// The threshold itself is no outlier; nothing is stored without outliers; all can be.
TEST_F(ActivationFile, Threshold) {
  std::vector<float> maxima = small_maxima();
  maxima[2] = 6;
  const StoredModel file = {{kWeight, make_floats({kColumns}, maxima)}};
  QuantizeOptions chosen = options(Scheme::kLlmInt8, file);
  EXPECT_EQ(fixture_.quantize(chosen).size(), 2u);  // Codes and scales.
  chosen.threshold = 5.99;
  EXPECT_EQ(fixture_.quantize(chosen).size(), 4u);
  chosen.threshold = 0;
  const StoredModel all = fixture_.quantize(chosen);
  EXPECT_EQ(all.at(std::string(kWeight) + "_outliers").shape,
            (std::vector<uint64_t>{kRows, kColumns}));
  EXPECT_THAT(all.at(kWeight).bytes, testing::Each(std::byte{0}));
  EXPECT_THAT(all.at(std::string(kWeight) + "_scale").floats(), testing::Each(0.0f));
}

TEST_F(ActivationFile, OutliersTooLargeForHalves) {
  std::vector<float> weights = weight_.floats();
  weights[2 * kColumns + 1] = 80000;  // No outlier channel, and so no matter.
  weights[7 * kColumns + 11] = 70000;
  const QuantizeFixture fixture({{kWeight, make_floats({kRows, kColumns}, weights)}});
  std::vector<float> maxima = small_maxima();
  maxima[11] = 10;
  write_model(fixture.activations(), {{kWeight, make_floats({kColumns}, maxima)}});
  const Error error =
      fixture.fail({.scheme = Scheme::kLlmInt8, .activations = fixture.activations()});
  EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  EXPECT_THAT(std::string(error.message()), HasSubstr("row 7, column 11"));
}

/// GPT-2 keeps matrices as [inputs, outputs]: scales go by columns, outliers are rows.
TEST(LlmInt8, Transposed) {
  const LayerShape shape = {.kind = LayerKind::kGpt2Transposed};
  const StoredModel model = make_layer(shape, 1);
  const QuantizeFixture fixture(model);
  StoredModel file;
  for (const char* module : {"attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"}) {
    const std::string name = shape.prefix() + module;
    std::vector<float> maxima(model.at(name + ".weight").shape[0], 1.0f);
    maxima[3] = maxima[30] = 8;
    file.emplace(name, make_floats({maxima.size()}, maxima));
  }
  write_model(fixture.activations(), file);
  const StoredModel out =
      fixture.quantize({.scheme = Scheme::kLlmInt8, .activations = fixture.activations()});
  for (const auto& [module, maxima] : file) {
    const std::string name = module + ".weight";
    const StoredTensor& tensor = model.at(name);
    const std::vector<float> weights = tensor.floats();
    std::vector<bool> skipped(weights.size());
    std::vector<float> outliers;
    for (size_t i = 0; i < weights.size(); ++i) {
      const uint64_t row = i / tensor.columns();
      skipped[i] = row == 3 || row == 30;
      if (skipped[i]) outliers.push_back(weights[i]);
    }
    const auto expected = reference_int8(weights, tensor.columns(), ScaleOf::kColumn, skipped);
    EXPECT_EQ(out.at(name).codes(), expected.codes) << name;
    EXPECT_EQ(out.at(name + "_scale").floats(), expected.scales) << name;
    EXPECT_EQ(out.at(name + "_scale").shape, (std::vector<uint64_t>{1, tensor.columns()}));
    EXPECT_EQ(out.at(name + "_outlier_rows").integers(), (std::vector<int32_t>{3, 30})) << name;
    EXPECT_EQ(out.at(name + "_outliers").shape, (std::vector<uint64_t>{2, tensor.columns()}));
    const std::vector<float> halves = out.at(name + "_outliers").floats();
    ASSERT_EQ(halves.size(), outliers.size());
    for (size_t i = 0; i < halves.size(); ++i) EXPECT_NEAR(halves[i], outliers[i], 1e-3) << name;
  }
}

}  // namespace
}  // namespace qload::test
