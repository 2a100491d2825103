// The tensors of a small INT8 model, to break and to plan.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "tests/qrun/llama_fixture.h"
#include "tools/qrun/weight_plan.h"

namespace qload::test {

class WeightPlanTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const LlamaFixture llama = make_llama(encode::Encoding::kInt8Tensor, false, 1);
    config_ = *qrun::read_config_json(config_json(llama.dense));
    uint64_t offset = 1000;
    for (const EncodedTensor& tensor : llama.tensors) {
      std::vector<uint64_t> shape{tensor.columns};
      if (tensor.rows != 0) shape.insert(shape.begin(), tensor.rows);
      const DType dtype = tensor.rows != 0 ? DType::kI8 : DType::kF32;
      tensors_.push_back({tensor.name, dtype, shape, tensor.bytes.size(), 0, offset});
      offset += tensor.bytes.size();
      if (tensor.scales.empty()) continue;
      tensors_.push_back({tensor.name + "_scale", DType::kF32, {1}, 4, 0, offset});
      offset += 4;
    }
  }
  qrun::ModelTensor& tensor(std::string_view name) {
    return *std::ranges::find(tensors_, name, &qrun::ModelTensor::name);
  }
  void expect_refused(ErrorCode code, const std::string& words) {
    const auto plan = qrun::plan_weights(tensors_, config_);
    ASSERT_FALSE(plan.ok());
    EXPECT_EQ(plan.error().code(), code);
    EXPECT_THAT(std::string(plan.error().message()), ::testing::HasSubstr(words));
  }
  qrun::ModelConfig config_;
  std::vector<qrun::ModelTensor> tensors_;
};

}  // namespace qload::test
