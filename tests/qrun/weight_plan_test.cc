// Roles of tensors: what is absent, of a wrong shape or type, or too much, is refused by name.
#include "tools/qrun/weight_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "format/base/format_text.h"
#include "tests/qrun/weight_plan_suite.h"
#include "tools/qrun/read_layout.h"

namespace qload::qrun {
namespace {

using test::WeightPlanTest;

TEST_F(WeightPlanTest, EveryTensorHasItsStep) {
  const auto plan = plan_weights(tensors_, config_);
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  ASSERT_EQ(plan->step_count(), 4u);
  EXPECT_EQ(plan->steps[0].size(), 2u);
  EXPECT_EQ(plan->steps[1].size(), 2 + 2 * 7u);
  EXPECT_EQ(plan->steps[3].size(), 3u);
  EXPECT_EQ(tensors_[plan->steps[2][plan->layers[1].down.slot]].name,
            "model.layers.1.mlp.down_proj.weight");
  EXPECT_EQ(plan->layers[0].key.rows, 32u);
  EXPECT_EQ(plan->layers[0].key.scale_count(), 1u);
  EXPECT_EQ(plan->layers[0].down.row_bytes, 96u);
}

TEST_F(WeightPlanTest, AbsentTensors) {
  tensor("model.layers.1.mlp.up_proj.weight").name = "model.layers.1.mlp.other.weight";
  expect_refused(ErrorCode::kNotFound, "\"model.layers.1.mlp.up_proj.weight\"");
}

TEST_F(WeightPlanTest, AbsentOutputOfAModelThatTiesNothing) {
  tensor("lm_head.weight").name = "other";
  expect_refused(ErrorCode::kNotFound, "\"lm_head.weight\"");
}

TEST_F(WeightPlanTest, AbsentScales) {
  tensor("lm_head.weight_scale").name = "other";
  expect_refused(ErrorCode::kNotFound, "\"lm_head.weight_scale\"");
}

TEST_F(WeightPlanTest, WrongShapes) {
  tensor("model.layers.0.self_attn.k_proj.weight").shape = {64, 32};
  expect_refused(ErrorCode::kCorrupt,
                 "has shape [64, 32], the model's configuration gives [32, 64]");
}

TEST_F(WeightPlanTest, WrongShapeOfScales) {
  tensor("model.layers.0.self_attn.k_proj.weight_scale").shape = {2};
  expect_refused(ErrorCode::kCorrupt, "expected one scale or one for each of 32 rows");
}

TEST_F(WeightPlanTest, ScalesWhoseCountOverflows) {
  tensor("lm_head.weight_scale").shape = {UINT64_MAX, UINT64_MAX};
  expect_refused(ErrorCode::kCorrupt, "expected one scale");
}

TEST_F(WeightPlanTest, SizesThatDoNotFollowFromTheShape) {
  tensor("lm_head.weight").bytes -= 1;
  expect_refused(ErrorCode::kCorrupt, "bytes, expected 3200");
}

TEST_F(WeightPlanTest, UnknownTypes) {
  tensor("lm_head.weight").dtype = DType::kU8;
  expect_refused(ErrorCode::kUnsupported, "is U8");
}

TEST_F(WeightPlanTest, RowsThatAreNotWholeBlocks) {
  config_.feed_forward_size = 80;
  for (const char* name : {"gate", "up"}) {
    for (const int layer : {0, 1}) {
      ModelTensor& matrix = tensor(text("model.layers.", layer, ".mlp.", name, "_proj.weight"));
      matrix.shape = {80, 64};
      matrix.bytes = 80 * 64;
    }
  }
  ModelTensor& down = tensor("model.layers.0.mlp.down_proj.weight");
  down.shape = {64, 80};
  down.dtype = DType::kQ8_0;
  expect_refused(ErrorCode::kCorrupt, "rows of 80 elements, expected a multiple of 32");
}

TEST_F(WeightPlanTest, TensorsThatWouldHaveToBeComputed) {
  tensors_.push_back({"model.layers.0.self_attn.q_proj.bias", DType::kF32, {64}, 256, 0, 0});
  expect_refused(ErrorCode::kUnsupported, "q_proj.bias");
}

TEST_F(WeightPlanTest, LayersMoreThanTheConfigurationSays) {
  config_.layer_count = 1;
  expect_refused(ErrorCode::kUnsupported, "model.layers.1.");
}

TEST_F(WeightPlanTest, ReadsAreLaidOutAsTheFileHasThem) {
  const auto plan = plan_weights(tensors_, config_);
  ASSERT_TRUE(plan.ok());
  for (const uint64_t resident_bytes : {uint64_t{0}, uint64_t{30'000}, UINT64_MAX}) {
    const ReadLayout layout = plan_reads(tensors_, *plan, resident_bytes);
    std::vector<int> seen(tensors_.size());
    std::vector<ReadGroup> groups = layout.steps;
    groups.push_back(layout.resident);
    uint64_t resident = 0;
    for (const ReadGroup& group : groups) {
      for (size_t i = 0; i < group.tensors.size(); ++i) {
        const ModelTensor& t = tensors_[group.tensors[i]];
        ++seen[group.tensors[i]];
        const auto run = std::ranges::find_if(group.runs, [&](const ReadRun& r) {
          return group.places[i] >= r.place && group.places[i] < r.place + r.bytes;
        });
        ASSERT_NE(run, group.runs.end());
        EXPECT_EQ(run->offset + group.places[i] - run->place, t.offset);
        EXPECT_LE(t.offset + t.bytes, run->offset + run->bytes_wanted);
        EXPECT_EQ(run->offset % 4096 + run->bytes % 4096 + run->place % 4096, 0u);
        EXPECT_LE(run->place + run->bytes, group.buffer_bytes);
      }
    }
    for (const uint32_t number : layout.resident.tensors) resident += tensors_[number].bytes;
    EXPECT_LE(resident, resident_bytes);
    EXPECT_EQ(layout.embedding_by_rows, resident_bytes != UINT64_MAX);
    for (size_t i = 0; i < seen.size(); ++i) {
      const bool by_row = layout.embedding_by_rows && i == plan->steps[0][plan->embedding.slot];
      EXPECT_EQ(seen[i], by_row ? 0 : 1) << tensors_[i].name;
    }
  }
}

}  // namespace
}  // namespace qload::qrun
