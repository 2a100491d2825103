// What quantizers store beside a matrix: which shapes mean what, and what is refused, by name.
#include <gtest/gtest.h>

#include "tests/qrun/weight_plan_suite.h"

namespace qload::qrun {
namespace {

/// Changes the key matrix of layer 0, which has 32 rows of 64 columns.
class WeightCompanionsTest : public test::WeightPlanTest {
 protected:
  static constexpr const char* kKey = "model.layers.0.self_attn.k_proj.weight";

  ModelTensor& scales() { return tensor(std::string(kKey) + "_scale"); }
  void add(const std::string& suffix, DType dtype, std::vector<uint64_t> shape, uint64_t bytes) {
    tensors_.push_back({kKey + suffix, dtype, std::move(shape), bytes, 0, 900'000});
  }
  void add_outliers(uint64_t count) {
    add("_outliers", DType::kF16, {32, count}, 2 * 32 * count);
    add("_outlier_columns", DType::kI32, {count}, 4 * count);
  }
  MatrixRole key() {
    const auto plan = plan_weights(tensors_, config_);
    EXPECT_TRUE(plan.ok()) << (plan.ok() ? "" : plan.error().message());
    return plan.ok() ? plan->layers[0].key : MatrixRole();
  }
  /// The axis of scales of that shape.
  ScaleAxis axis_of(std::vector<uint64_t> shape, uint64_t count) {
    scales().shape = std::move(shape);
    scales().bytes = 4 * count;
    return key().scale_axis;
  }
};

TEST_F(WeightCompanionsTest, ShapesOfScalesSayWhatTheyBelongTo) {
  EXPECT_EQ(axis_of({}, 1), ScaleAxis::kMatrix);
  EXPECT_EQ(axis_of({1, 1}, 1), ScaleAxis::kMatrix);
  EXPECT_EQ(axis_of({32}, 32), ScaleAxis::kRows);
  EXPECT_EQ(axis_of({32, 1}, 32), ScaleAxis::kRows);
  EXPECT_EQ(axis_of({1, 64}, 64), ScaleAxis::kColumns);
  EXPECT_EQ(key().scale_count(), 0u);
  EXPECT_TRUE(key().has_input_factors());
  // One number for each column may only come as a row.
  for (const std::vector<uint64_t>& shape :
       {std::vector<uint64_t>{64}, std::vector<uint64_t>{64, 1}}) {
    scales().shape = shape;
    expect_refused(ErrorCode::kCorrupt,
                   "expected one scale or one for each of 32 rows or, as [1, 64], columns");
  }
}

// A square matrix is where shapes could be confused.
TEST_F(WeightCompanionsTest, ScalesOfASquareMatrix) {
  ModelTensor& scale = tensor("model.layers.0.self_attn.q_proj.weight_scale");
  const auto axis = [&](std::vector<uint64_t> shape) {
    scale.shape = std::move(shape);
    scale.bytes = 4 * 64;
    return plan_weights(tensors_, config_)->layers[0].query.scale_axis;
  };
  EXPECT_EQ(axis({64}), ScaleAxis::kRows);
  EXPECT_EQ(axis({64, 1}), ScaleAxis::kRows);
  EXPECT_EQ(axis({1, 64}), ScaleAxis::kColumns);
}

TEST_F(WeightCompanionsTest, ModulesAreNamedAsTransformersDoes) {
  const auto plan = plan_weights(tensors_, config_);
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->layers[1].query.module, "model.layers.1.self_attn.q_proj");
  EXPECT_EQ(plan->layers[1].down.module, "model.layers.1.mlp.down_proj");
  EXPECT_EQ(plan->output.module, "lm_head");
  EXPECT_EQ(plan->output.name, "lm_head.weight");
}

TEST_F(WeightCompanionsTest, Smoothing) {
  add("_smooth", DType::kF32, {64}, 256);
  EXPECT_TRUE(key().has_input_factors());
  tensors_.back().shape = {32};
  tensors_.back().bytes = 128;
  expect_refused(ErrorCode::kCorrupt, "k_proj.weight_smooth\" has shape [32]");
  tensors_.back().shape = {64};
  expect_refused(ErrorCode::kCorrupt, "k_proj.weight_smooth\" has 128 bytes, expected 256");
  tensors_.back().dtype = DType::kF16;
  expect_refused(ErrorCode::kUnsupported, "k_proj.weight_smooth\" is F16, this engine knows F32");
}

TEST_F(WeightCompanionsTest, Outliers) {
  add_outliers(64);
  EXPECT_EQ(key().outlier_count, 64u);
  tensors_.resize(tensors_.size() - 2);
  add_outliers(0);
  EXPECT_EQ(key().outlier_count, 0u);
}

TEST_F(WeightCompanionsTest, MoreOutliersThanColumns) {
  add_outliers(65);
  expect_refused(ErrorCode::kCorrupt,
                 "k_proj.weight_outliers\" has shape [32, 65], expected [32, N] with N of at most "
                 "64 outlier columns");
}

TEST_F(WeightCompanionsTest, OutliersWhoseCountOverflows) {
  add_outliers(3);
  tensors_[tensors_.size() - 2].shape = {32, UINT64_MAX};
  expect_refused(ErrorCode::kCorrupt, "expected [32, N]");
}

TEST_F(WeightCompanionsTest, OutliersOfOtherShapes) {
  add_outliers(3);
  ModelTensor& weights = tensors_[tensors_.size() - 2];
  for (const std::vector<uint64_t>& shape : {std::vector<uint64_t>{96}, {31, 3}, {32, 3, 1}}) {
    weights.shape = shape;
    expect_refused(ErrorCode::kCorrupt, "expected [32, N]");
  }
  weights.shape = {32, 3};
  weights.bytes -= 1;
  expect_refused(ErrorCode::kCorrupt, "k_proj.weight_outliers\" has 191 bytes, expected 192");
  weights.bytes += 1;
  tensors_.back().bytes = 8;
  expect_refused(ErrorCode::kCorrupt, "k_proj.weight_outlier_columns\" has 8 bytes, expected 12");
  tensors_.back().shape = {2};
  expect_refused(ErrorCode::kCorrupt,
                 "k_proj.weight_outlier_columns\" has shape [2], expected [3]");
}

TEST_F(WeightCompanionsTest, OutliersOfOtherTypes) {
  add_outliers(3);
  tensors_.back().dtype = DType::kU32;
  expect_refused(ErrorCode::kUnsupported, "k_proj.weight_outlier_columns\" is U32");
  tensors_[tensors_.size() - 2].dtype = DType::kF32;
  expect_refused(ErrorCode::kUnsupported, "k_proj.weight_outliers\" is F32");
}

TEST_F(WeightCompanionsTest, HalfOfTheOutliers) {
  add("_outliers", DType::kF16, {32, 3}, 192);
  expect_refused(ErrorCode::kNotFound, "k_proj.weight_outlier_columns\"");
  tensors_.pop_back();
  add("_outlier_columns", DType::kI32, {3}, 12);
  expect_refused(ErrorCode::kNotFound, "k_proj.weight_outliers\"");
}

TEST_F(WeightCompanionsTest, OutliersThatWouldBeSmoothed) {
  add_outliers(3);
  add("_smooth", DType::kF32, {64}, 256);
  expect_refused(ErrorCode::kUnsupported, "has outlier columns together with smoothing");
  tensors_.pop_back();
  EXPECT_EQ(axis_of({1}, 1), ScaleAxis::kMatrix);
  scales().shape = {1, 64};
  scales().bytes = 256;
  expect_refused(ErrorCode::kUnsupported, "has outlier columns together with scales of columns");
}

// Of a matrix of floats, nothing of LLM.int8() makes sense.
TEST_F(WeightCompanionsTest, OutliersOfFloats) {
  add_outliers(3);
  ModelTensor& key = tensor(kKey);
  key.dtype = DType::kF16;
  key.bytes *= 2;
  scales().name = "model.layers.0.self_attn.rotary_emb.inv_freq";  // Ignored.
  expect_refused(ErrorCode::kUnsupported, "k_proj.weight_outliers\" is no part of a Llama model");
}

}  // namespace
}  // namespace qload::qrun
