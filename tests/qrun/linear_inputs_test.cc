// Inputs of linears on their way to a product: quantized, smoothed, split from their outliers.
#include "tools/qrun/linear_inputs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "tools/qrun/quantize_row.h"

namespace qload::qrun {
namespace {

std::vector<int8_t> codes_of(const std::vector<float>& in, float* scale = nullptr) {
  std::vector<int8_t> codes(in.size(), 99);
  const float found = quantize_row(in, codes.data());
  if (scale != nullptr) *scale = found;
  return codes;
}

TEST(QuantizeRow, ByHand) {
  float scale = 0;
  // 254 / 127 = 2: ties go to even codes.
  EXPECT_EQ(codes_of({254, -254, 1, 3, -1, -3, 5, 0, 2.01f}, &scale),
            (std::vector<int8_t>{127, -127, 0, 2, 0, -2, 2, 0, 1}));
  EXPECT_EQ(scale, 2);
  EXPECT_EQ(codes_of({-0.5f}, &scale), (std::vector<int8_t>{-127}));
  EXPECT_EQ(scale, 0.5f / 127);
}

TEST(QuantizeRow, IsTheNearestCode) {
  std::mt19937_64 random(7);
  std::normal_distribution<float> normal;
  for (const size_t size : {1u, 3u, 8u, 63u, 64u, 65u, 1000u}) {
    std::vector<float> in(size);
    for (float& value : in) value = normal(random);
    float largest = 0;
    for (const float value : in) largest = std::max(largest, std::abs(value));
    float scale = 0;
    const std::vector<int8_t> codes = codes_of(in, &scale);
    EXPECT_EQ(scale, largest / 127);
    for (size_t i = 0; i < size; ++i) EXPECT_EQ(codes[i], std::nearbyint(in[i] / scale)) << i;
  }
}

TEST(QuantizeRow, RowsWithoutAScale) {
  float scale = 7;
  EXPECT_EQ(codes_of({}, &scale), std::vector<int8_t>());
  EXPECT_EQ(scale, 0);
  EXPECT_EQ(codes_of({0, -0.0f, 0}, &scale), (std::vector<int8_t>{0, 0, 0}));
  EXPECT_EQ(scale, 0);
  const float least = std::numeric_limits<float>::denorm_min();
  EXPECT_EQ(codes_of({least, -least}, &scale), (std::vector<int8_t>{0, 0})) << "scale rounds to 0";
  EXPECT_EQ(scale, 0);
  // 190 of the least numbers: the scale rounds to one of them, the quotient is 190.
  EXPECT_EQ(codes_of({190 * least, -190 * least, least}, &scale),
            (std::vector<int8_t>{127, -127, 1}));
  EXPECT_EQ(scale, least);
  for (const float odd : {HUGE_VALF, -HUGE_VALF, std::nanf(""), -std::nanf("")}) {
    EXPECT_EQ(codes_of({1, odd, 2}, &scale), (std::vector<int8_t>{0, 0, 0}));
    EXPECT_TRUE(std::isnan(scale));
  }
  EXPECT_EQ(codes_of({std::numeric_limits<float>::max(), 0}, &scale),
            (std::vector<int8_t>{127, 0}));
}

TEST(Magnitudes, KeepTheLargestAndWhatIsNotFinite) {
  std::vector<float> largest = {0, 2, 0, HUGE_VALF};
  raise_magnitudes(largest, std::vector<float>{-3, 1, -0.0f, 1});
  EXPECT_EQ(largest, (std::vector<float>{3, 2, 0, HUGE_VALF}));
  raise_magnitudes(largest, std::vector<float>{-std::nanf(""), 5, 0, 1});
  EXPECT_TRUE(std::isnan(largest[0]));
  raise_magnitudes(largest, std::vector<float>{9, 4, 0, 1});
  EXPECT_TRUE(std::isnan(largest[0]));
  EXPECT_EQ(largest[1], 5);
  EXPECT_EQ(largest_magnitude(std::vector<float>{1, -4, 2}), 4);
  EXPECT_EQ(largest_magnitude({}), 0);
}

/// A plan of one layer, all of it alike.
WeightPlan make_plan(DType dtype, uint64_t columns, uint64_t outlier_count, bool smooth) {
  MatrixRole matrix;
  matrix.dtype = dtype;
  matrix.columns = columns;
  matrix.outlier_count = outlier_count;
  if (smooth) matrix.smooth_slot = 1;
  LayerRoles layer;
  layer.query = layer.key = layer.value = layer.attention_output = layer.gate = layer.up =
      layer.down = matrix;
  WeightPlan plan;
  plan.layers.push_back(layer);
  plan.output = matrix;
  return plan;
}

class LinearInputsTest : public ::testing::Test {
 protected:
  static constexpr size_t kColumns = 5;
  Batch<const float> in() const { return {x_.data(), 2, kColumns}; }
  Batch<float> out() { return {out_.data(), 2, 1}; }

  const std::vector<float> x_ = {1, -127, 3, 0, 63.5f, /**/ 254, 2, 4, 6, 10'000};
  std::vector<float> out_ = std::vector<float>(2);
  Matrix matrix_{.dtype = DType::kI8, .rows = 1, .columns = kColumns, .row_bytes = kColumns};
};

std::vector<int> codes_at(const Product& product, size_t vector) {
  const int8_t* codes = product.quantized.codes.vector(vector);
  return {codes, codes + product.matrix.columns};
}

TEST_F(LinearInputsTest, FloatsPassAsTheyAre) {
  LinearInputs inputs(make_plan(DType::kI8, kColumns, 0, false), ActivationType::kFloat, 2);
  inputs.begin_round();
  const Product product = inputs.prepare(matrix_, in(), out());
  EXPECT_EQ(product.in.values, x_.data());
  EXPECT_EQ(product.quantized.codes.values, nullptr);
}

TEST_F(LinearInputsTest, OtherTypesAreNotQuantized) {
  LinearInputs inputs(make_plan(DType::kBF16, kColumns, 0, false), ActivationType::kInt8, 2);
  inputs.begin_round();
  matrix_.dtype = DType::kBF16;
  EXPECT_EQ(inputs.prepare(matrix_, in(), out()).quantized.codes.values, nullptr);
}

TEST_F(LinearInputsTest, EachVectorHasItsScale) {
  LinearInputs inputs(make_plan(DType::kI8, kColumns, 0, false), ActivationType::kInt8, 2);
  for (int round = 0; round < 2; ++round) {
    inputs.begin_round();
    const Product product = inputs.prepare(matrix_, in(), out());
    EXPECT_EQ(product.quantized.scales[0], 1);
    EXPECT_EQ(codes_at(product, 0), (std::vector<int>{1, -127, 3, 0, 64}));
    EXPECT_EQ(codes_at(product, 1), (std::vector<int>{3, 0, 0, 0, 127}));
    // The others of a round share what is there.
    EXPECT_EQ(inputs.prepare(matrix_, in(), out()).quantized.codes.values,
              product.quantized.codes.values);
  }
}

TEST_F(LinearInputsTest, FactorsAreEachMatrixsOwn) {
  LinearInputs inputs(make_plan(DType::kI8, kColumns, 0, true), ActivationType::kInt8, 2);
  const std::vector<float> factors = {1, 0.5f, 2, 1, 0};
  const std::vector<float> others = {0, 0, 1, 0, 0};
  inputs.begin_round();
  const Product plain = inputs.prepare(matrix_, in(), out());
  matrix_.input_factors = factors;
  const Product smooth = inputs.prepare(matrix_, in(), out());
  matrix_.input_factors = others;
  const Product other = inputs.prepare(matrix_, in(), out());
  EXPECT_EQ(codes_at(plain, 0), (std::vector<int>{1, -127, 3, 0, 64}));
  EXPECT_EQ(std::vector<float>(smooth.in.vector(0), smooth.in.vector(1)),
            (std::vector<float>{1, -63.5f, 6, 0, 0}));
  EXPECT_EQ(codes_at(smooth, 0), (std::vector<int>{2, -127, 12, 0, 0}));
  EXPECT_EQ(smooth.quantized.scales[0], 0.5f);
  EXPECT_EQ(codes_at(other, 1), (std::vector<int>{0, 0, 127, 0, 0}));
}

TEST_F(LinearInputsTest, OutliersAreLeftOutOfTheScale) {
  LinearInputs inputs(make_plan(DType::kI8, kColumns, 2, false), ActivationType::kInt8, 2);
  const std::vector<uint32_t> columns = {1, 4};
  matrix_.outliers = {columns, nullptr};
  inputs.begin_round();
  const Product product = inputs.prepare(matrix_, in(), out());
  EXPECT_EQ(product.quantized.scales[0], 3.0f / 127);
  EXPECT_EQ(codes_at(product, 0), (std::vector<int>{42, 0, 127, 0, 0}));
  EXPECT_EQ(codes_at(product, 1), (std::vector<int>{127, 0, 2, 3, 0}));
  EXPECT_EQ(std::vector<float>(product.outlier_in.vector(0), product.outlier_in.vector(2)),
            (std::vector<float>{-127, 63.5f, 2, 10'000}));
}

TEST(LinearInputs, MemoryIsWhatTheyNeed) {
  const WeightPlan plan = make_plan(DType::kI8, 100, 0, false);
  EXPECT_EQ(LinearInputs::memory_bytes(plan, ActivationType::kFloat, 64), 0u);
  // Three of a round, codes and a scale each.
  EXPECT_EQ(LinearInputs::memory_bytes(plan, ActivationType::kInt8, 64), 64 * 3 * 104u);
  EXPECT_EQ(
      LinearInputs::memory_bytes(make_plan(DType::kI8, 100, 7, false), ActivationType::kFloat, 64),
      64 * 3 * 107 * 4u);
}

}  // namespace
}  // namespace qload::qrun
