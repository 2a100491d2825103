#include "format/pack/layer_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace qload {
namespace {

std::string found(std::string_view name) {
  auto layer = find_layer(name);
  return layer ? std::string(layer->stack) + " " + std::to_string(layer->layer) : "none";
}

TEST(FindLayer, UsualPatterns) {
  EXPECT_EQ(found("model.layers.7.self_attn.q_proj.weight"), "model.layers 7");
  EXPECT_EQ(found("blk.31.attn_q.weight"), "blk 31");
  EXPECT_EQ(found("h.0.ln_1.bias"), "h 0");
  EXPECT_EQ(found("transformer.h.11.attn.c_attn.weight"), "transformer.h 11");
  EXPECT_EQ(found("model.decoder.layers.3.fc1.weight"), "model.decoder.layers 3");
  EXPECT_EQ(found("bert.encoder.layer.2.output.dense.weight"), "bert.encoder.layer 2");
  EXPECT_EQ(found("encoder.block.4.layer.1.wi.weight"), "encoder.block 4");
  EXPECT_EQ(found("enc.blk.5.attn_k.weight"), "enc.blk 5");
  EXPECT_EQ(found("visual.transformer.resblocks.9.mlp.weight"), "visual.transformer.resblocks 9");
  EXPECT_EQ(found("transformer_blocks.2.norm.weight"), "transformer_blocks 2");
  EXPECT_EQ(found("layers.1.feed_forward.w1.weight"), "layers 1");
  EXPECT_EQ(found("params.decoder.layer_12.kernel"), "params.decoder.layer 12");
  EXPECT_EQ(found("model.layers.1.mlp.experts.63.w1.weight"), "model.layers 1");
  EXPECT_EQ(found("model.layers.2147483647.w"), "model.layers 2147483647");
}

TEST(FindLayer, NoLayer) {
  for (std::string_view name :
       {"", ".", "..", "7", "layers", "layers.", "layers.x.w", "layers.07.w", "layers.-1.w",
        "layers.2147483648.w", "layers.99999999999999999999.w", "model.experts.3.w", "h_.w",
        "model.norm.weight", "layer_norm.weight", "token_embd.weight", "layers..1"}) {
    EXPECT_EQ(found(name), "none") << name;
  }
}

/// "stack/layer: name name" for each group.
std::vector<std::string> order(std::vector<std::string_view> names) {
  std::vector<std::string> lines;
  for (const TensorGroup& group : order_layers(names)) {
    std::string line = group.layer == kNoLayer
                           ? "-:"
                           : std::to_string(group.stack) + "/" + std::to_string(group.layer) + ":";
    for (uint32_t tensor : group.tensors) line += " " + std::string(names[tensor]);
    lines.push_back(line);
  }
  return lines;
}

TEST(OrderLayers, ByNumberBetweenPrologueAndEpilogue) {
  EXPECT_THAT(
      order({"lm_head.weight", "model.embed_tokens.weight", "model.layers.10.a", "model.layers.2.b",
             "model.layers.2.a", "model.norm.weight", "rope.freqs"}),
      testing::ElementsAre("-: model.embed_tokens.weight rope.freqs",
                           "0/2: model.layers.2.b model.layers.2.a", "0/10: model.layers.10.a",
                           "-: lm_head.weight model.norm.weight"));
}

TEST(OrderLayers, EncoderBeforeDecoderWithItsFinalNormBeforeBoth) {
  EXPECT_THAT(order({"decoder.block.0.w", "decoder.final_layer_norm.weight", "encoder.block.0.w",
                     "encoder.final_layer_norm.weight", "shared.weight", "lm_head.weight"}),
              testing::ElementsAre("-: encoder.final_layer_norm.weight shared.weight",
                                   "0/0: encoder.block.0.w", "1/0: decoder.block.0.w",
                                   "-: decoder.final_layer_norm.weight lm_head.weight"));
}

TEST(OrderLayers, VisionBeforeText) {
  EXPECT_THAT(order({"blk.0.w", "output_norm.weight", "v.blk.0.w", "v.patch_embd.weight"}),
              testing::ElementsAre("-: v.patch_embd.weight", "0/0: v.blk.0.w", "1/0: blk.0.w",
                                   "-: output_norm.weight"));
  EXPECT_THAT(order({"language_model.model.layers.0.w", "vision_tower.encoder.layers.0.w"}),
              testing::ElementsAre("0/0: vision_tower.encoder.layers.0.w",
                                   "1/0: language_model.model.layers.0.w"));
}

TEST(OrderLayers, EncoderOnlyEndsWithItsHead) {
  EXPECT_THAT(order({"bert.pooler.dense.weight", "bert.encoder.layer.0.w",
                     "bert.embeddings.LayerNorm.weight"}),
              testing::ElementsAre("-: bert.embeddings.LayerNorm.weight",
                                   "0/0: bert.encoder.layer.0.w", "-: bert.pooler.dense.weight"));
}

TEST(OrderLayers, WithoutLayersTheSourceOrderStays) {
  EXPECT_TRUE(order({}).empty());
  EXPECT_THAT(order({"output.weight", "b", "a"}), testing::ElementsAre("-: output.weight b a"));
}

TEST(OrderLayers, HundredThousandTensorsInAsManyStacks) {
  std::vector<std::string> names;
  for (uint32_t i = 0; i < 100'000; ++i) {
    names.push_back("stack" + std::to_string(i) + ".layers." + std::to_string(i % 64) + ".w");
  }
  std::vector<std::string_view> views(names.begin(), names.end());
  auto groups = order_layers(views);
  ASSERT_EQ(groups.size(), names.size());
  EXPECT_EQ(groups.back().stack, 99'999u);
}

}  // namespace
}  // namespace qload
