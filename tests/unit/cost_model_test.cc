// The cost model's parts, and the words for tensors.
#include "format/pack/cost_model.h"

#include <gtest/gtest.h>

#include "format/pack/tensor_role.h"

namespace qload {
namespace {

TargetDevice round_device() {
  TargetDevice device;
  device.storage_bytes_per_second = 1000;
  device.decode_threads = 4;
  device.thread_scaling = 0.5;
  device.lane_huffman_rate = 100;
  device.store_rate = 1000;
  device.planes_rate = 500;
  device.blocks_rate = 250;
  device.checksum_rate = 200;
  device.touch_rate = 400;
  device.page_cache_rate = 2000;
  device.overhead_seconds = 0.5;
  device.decode_weight = 0.1;
  return device;
}

ChunkForm two_planes() {
  ChunkForm form{.filter = FilterId::kFloatPlanes2,
                 .decoded_bytes = 2000,
                 .stored_bytes = 1400,
                 .stream_count = 2};
  form.streams[0] = {CodecId::kStore, 1000, 1000};
  form.streams[1] = {CodecId::kLaneHuffman, 400, 1000};
  return form;
}

TEST(CostModelDevice, ChunksCostStreamsMergingAndChecksums) {
  const TargetDevice device = round_device();
  const ChunkForm form = two_planes();
  const double seconds = 1.0 + 10.0 + 4.0 + 7.0;
  EXPECT_DOUBLE_EQ(decode_seconds(device, form), seconds);
  EXPECT_DOUBLE_EQ(chunk_cost(device, form), 1.4 + 0.1 * seconds / 2);
  ChunkForm blocks = form;
  blocks.filter = FilterId::kQ8_0Fields;
  EXPECT_DOUBLE_EQ(decode_seconds(device, blocks), seconds + 4.0);
  ChunkForm raw{.decoded_bytes = 1000, .stored_bytes = 1000, .stream_count = 1};
  raw.streams[0] = {CodecId::kStore, 1000, 1000};
  EXPECT_DOUBLE_EQ(decode_seconds(device, raw), 5.0);
  EXPECT_DOUBLE_EQ(chunk_cost(device, raw), 1.0 + 0.1 * 5.0 / 2);
}

TEST(CostModelDevice, FirstTouchSharesTheProcessorsAndReadingDoesNot) {
  const TargetDevice device = round_device();
  const LoadWork work{.read_bytes = 3000, .decode_seconds = 4, .decoded_bytes = 400};
  const LoadTime time = model_load(device, work);
  EXPECT_DOUBLE_EQ(time.read_seconds, 3.0);
  EXPECT_DOUBLE_EQ(time.decode_seconds, 2.0);
  EXPECT_DOUBLE_EQ(time.touch_seconds, 1.0);
  EXPECT_TRUE(time.storage_binds());
  EXPECT_DOUBLE_EQ(time.total(), 3.5);
  const LoadWork heavy{.read_bytes = 3000, .decode_seconds = 8, .decoded_bytes = 400};
  EXPECT_FALSE(model_load(device, heavy).storage_binds());
  EXPECT_DOUBLE_EQ(model_load(device, heavy).total(), 5.5);
  // From the page cache the processors read: everything is one after the other.
  EXPECT_DOUBLE_EQ(model_cached_load(device, work).total(), 0.5 + 1.5 + 2.0 + 1.0);
}

TEST(CostModelDevice, ByDefaultNothingIsAddedToTheRatesOfCodecs) {
  const TargetDevice device = mid_device();
  EXPECT_EQ(raw_cost(device, 1000), 1000 / device.storage_bytes_per_second);
  EXPECT_EQ(merge_cost(device, FilterId::kFloatPlanes2, 1000), 0);
  EXPECT_EQ(model_load(device, {.decoded_bytes = 1'000'000'000}).total(), 0);
  EXPECT_EQ(full_threads(device), 4);
  for (const TargetDevice& goal : {mid_device(), fast_decode_device(), smallest_size()}) {
    EXPECT_TRUE(check_device(goal).ok());
  }
}

TEST(TensorRole, IsToldByName) {
  EXPECT_EQ(tensor_role("model.embed_tokens.weight", 2), TensorRole::kEmbedding);
  EXPECT_EQ(tensor_role("token_embd.weight", 2), TensorRole::kEmbedding);
  EXPECT_EQ(tensor_role("output.weight", 2), TensorRole::kEmbedding);
  EXPECT_EQ(tensor_role("lm_head.weight", 2), TensorRole::kEmbedding);
  EXPECT_EQ(tensor_role("blk.3.attn_output.weight", 2), TensorRole::kLinear);
  EXPECT_EQ(tensor_role("blk.3.attn_norm.weight", 1), TensorRole::kNorm);
  EXPECT_EQ(tensor_role("h.1.ln_2.weight", 1), TensorRole::kNorm);
  EXPECT_EQ(tensor_role("layers.1.LayerNorm.bias", 1), TensorRole::kBias);
  EXPECT_EQ(tensor_role("layers.1.fc1.weight_scale", 1), TensorRole::kScale);
  EXPECT_EQ(tensor_role("layers.1.fc1.weight", 2), TensorRole::kLinear);
  EXPECT_EQ(tensor_role("x", 1), TensorRole::kOther);
  EXPECT_EQ(tensor_role("", 0), TensorRole::kOther);
}

TEST(TensorRole, NumbersOfLayersAreLeftOut) {
  EXPECT_EQ(name_without_numbers("model.layers.12.fc1.weight"), "model.layers..fc1.weight");
  EXPECT_EQ(name_without_numbers("model.layers.3.fc2.weight"), "model.layers..fc2.weight");
  EXPECT_EQ(name_without_numbers("a/0/b"), "a//b");
  EXPECT_EQ(name_without_numbers("7"), "");
  EXPECT_EQ(name_without_numbers(""), "");
  EXPECT_EQ(name_without_numbers("end."), "end.");
}

}  // namespace
}  // namespace qload
