// What tensors are for, by the names that models use.
#include <gtest/gtest.h>

#include <string_view>

#include "tools/analyze/tensor_kind.h"
#include "tools/synth/architecture.h"

namespace qload::analyze {
namespace {

using synth::WeightKind;
using enum TensorKind;

/// What synth says that its weights are; up and gate are one kind there.
bool agrees(WeightKind expected, TensorKind found) {
  switch (expected) {
    case WeightKind::kEmbedding:
      return found == kEmbedding;
    case WeightKind::kAttentionInput:
      return found == kAttentionInput;
    case WeightKind::kAttentionOutput:
      return found == kAttentionOutput;
    case WeightKind::kFeedForwardUp:
      return found == kUp || found == kGate;
    case WeightKind::kFeedForwardDown:
      return found == kDown;
    case WeightKind::kNorm:
      return found == kNorm;
    case WeightKind::kBias:
      return found == kBias;
  }
  return false;
}

TEST(TensorKind, KnowsEveryNameThatSynthWrites) {
  for (const synth::Architecture& architecture : synth::all_architectures()) {
    for (const synth::WeightSpec& spec : synth::list_weights(architecture)) {
      const size_t rank = spec.is_vector ? 1 : 2;
      for (const std::string& name : {spec.name, spec.gguf_name}) {
        EXPECT_TRUE(agrees(spec.kind, tensor_kind(name, rank)))
            << name << " is " << tensor_kind_name(tensor_kind(name, rank));
        EXPECT_EQ(tensor_kind(name + "_scale", 1), kScale) << name;
      }
    }
  }
}

TEST(TensorKind, KnowsNamesOfOtherModels) {
  struct Named {
    std::string_view name;
    size_t rank;
    TensorKind kind;
  };
  const Named names[] = {
      {"wte.weight", 2, kEmbedding},
      {"transformer.h.3.attn.c_attn.weight", 2, kAttentionInput},
      {"transformer.h.3.attn.c_proj.weight", 2, kAttentionOutput},
      {"transformer.h.3.mlp.c_fc.weight", 2, kUp},
      {"transformer.h.3.mlp.c_proj.weight", 2, kDown},
      {"transformer.h.3.ln_1.weight", 1, kNorm},
      {"bert.encoder.layer.0.attention.self.query.weight", 2, kAttentionInput},
      {"bert.encoder.layer.0.attention.output.dense.weight", 2, kAttentionOutput},
      {"bert.encoder.layer.0.intermediate.dense.weight", 2, kUp},
      {"bert.encoder.layer.0.output.dense.weight", 2, kDown},
      {"bert.encoder.layer.0.output.LayerNorm.weight", 1, kNorm},
      {"gpt_neox.layers.1.attention.query_key_value.weight", 2, kAttentionInput},
      {"gpt_neox.layers.1.attention.dense.weight", 2, kAttentionOutput},
      {"gpt_neox.layers.1.mlp.dense_h_to_4h.weight", 2, kUp},
      {"gpt_neox.layers.1.mlp.dense_4h_to_h.weight", 2, kDown},
      {"encoder.block.0.layer.0.SelfAttention.q.weight", 2, kAttentionInput},
      {"encoder.block.0.layer.0.SelfAttention.o.weight", 2, kAttentionOutput},
      {"encoder.block.0.layer.1.DenseReluDense.wi_0.weight", 2, kGate},
      {"encoder.block.0.layer.1.DenseReluDense.wi_1.weight", 2, kUp},
      {"encoder.block.0.layer.1.DenseReluDense.wo.weight", 2, kDown},
      {"layers.0.attention.wq.weight", 2, kAttentionInput},
      {"layers.0.attention.wo.weight", 2, kAttentionOutput},
      {"layers.0.feed_forward.w1.weight", 2, kGate},
      {"layers.0.feed_forward.w2.weight", 2, kDown},
      {"layers.0.feed_forward.w3.weight", 2, kUp},
      {"model.layers.0.block_sparse_moe.experts.7.w2.weight", 2, kDown},
      {"model.layers.0.block_sparse_moe.gate.weight", 2, kOther},
      {"model.layers.0.self_attn.qkv_proj.weight", 2, kAttentionInput},
      {"model.layers.0.mlp.gate_up_proj.weight", 2, kUp},
      {"model.layers.0.self_attn.q_proj.qweight", 2, kAttentionInput},
      {"model.layers.0.self_attn.q_proj.qzeros", 2, kScale},
      {"model.layers.0.self_attn.q_proj.scales", 2, kScale},
      {"model.layers.0.mlp.down_proj.weight_scale_inv", 2, kScale},
      {"model.layers.0.mlp.down_proj.weight.absmax", 1, kScale},
      {"blk.0.ffn_gate_exps.weight", 3, kGate},
      {"blk.0.ffn_gate_inp.weight", 2, kOther},
      {"blk.0.attn_qkv.bias", 1, kBias},
      {"output.weight", 2, kEmbedding},
      {"decoder.layer_0.ffn.linear_0.weight", 2, kUp},
      {"decoder.layer_0.ffn.linear_1.weight", 2, kDown},
      {"model.conv.weight", 4, kOther},
      {"x", 1, kOther},
      {"", 0, kOther},
      {".", 2, kOther},
  };
  for (const Named& named : names) {
    EXPECT_EQ(tensor_kind_name(tensor_kind(named.name, named.rank)), tensor_kind_name(named.kind))
        << named.name;
  }
}

}  // namespace
}  // namespace qload::analyze
