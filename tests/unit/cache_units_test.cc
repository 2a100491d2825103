#include "runtime/cache/cache_units.h"

#include <gtest/gtest.h>

#include "qload/model.h"
#include "tests/support/expert_model.h"

namespace qload::internal {
namespace {

TEST(ExpertOfTest, NamesOfTheUsualModels) {
  EXPECT_EQ(expert_of("model.layers.0.mlp.experts.7.up_proj.weight"),
            "model.layers.0.mlp.experts.7");
  EXPECT_EQ(expert_of("model.layers.11.block_sparse_moe.experts.3.w1.weight"),
            "model.layers.11.block_sparse_moe.experts.3");
  EXPECT_EQ(expert_of("encoder.block.1.layer.1.mlp.experts.expert_12.wi.weight"),
            "encoder.block.1.layer.1.mlp.experts.expert_12");
  EXPECT_EQ(expert_of("experts.0.w"), "experts.0");
}

TEST(ExpertOfTest, EverythingElseStandsAlone) {
  for (const std::string_view name : {"", "experts.", "experts.7", "a.experts.", "a.experts.b.7.w",
                                      "a.shared_experts.7.up.weight", "blk.0.ffn_up_exps.weight",
                                      "a.experts..w", "a.experts.up_proj", "model.norm.weight"}) {
    EXPECT_EQ(expert_of(name), name);
  }
  EXPECT_EQ(expert_of("experts.gate.experts.1.w"), "experts.gate.experts.1");
}

TEST(GroupTensorsTest, UnitsHoldEveryTensorOnce) {
  test::TempDirectory directory;
  const auto packed = test::pack_expert_model(directory, {.layers = 2, .experts = 3});
  const auto model = Model::open(packed.path);
  ASSERT_TRUE(model.ok());
  const size_t tensor_count = model->tensors().size();
  ASSERT_EQ(tensor_count, 2u * (1 + 3 * 3));
  const struct {
    CacheUnit unit;
    size_t count;
  } expected[] = {
      {CacheUnit::kExpert, 2 * (1 + 3)}, {CacheUnit::kTensor, 20}, {CacheUnit::kLayer, 2}};
  for (const auto& [unit, count] : expected) {
    const auto units = group_tensors(model->state(), unit);
    ASSERT_TRUE(units.has_value());
    EXPECT_EQ(units->units.size(), count);
    ASSERT_EQ(units->unit_of.size(), tensor_count);
    std::vector<int> seen(tensor_count);
    for (uint32_t number = 0; number < units->units.size(); ++number) {
      uint64_t end = 0;
      for (const uint32_t tensor : units->units[number].tensors) {
        ++seen[tensor];
        EXPECT_EQ(units->unit_of[tensor], number);
        EXPECT_GE(units->offset_of[tensor], end) << "in order, without overlap";
        EXPECT_EQ(units->offset_of[tensor] % 64, 0u);
        end = units->offset_of[tensor] + model->tensors()[tensor].bytes;
      }
      EXPECT_EQ(units->units[number].bytes, end);
    }
    EXPECT_EQ(seen, std::vector<int>(tensor_count, 1));
  }
}

}  // namespace
}  // namespace qload::internal
