// What the names of tensors and a configuration say about a model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/input/model_source.h"
#include "tests/quantize/layer_reference.h"
#include "tests/quantize/quantize_fixture.h"
#include "tools/quantize/config_hints.h"
#include "tools/quantize/gguf_pairs.h"
#include "tools/quantize/llama_gguf.h"
#include "tools/quantize/model_layers.h"

namespace qload::quantize {
namespace {

using test::StoredModel;
using testing::ElementsAre;

TEST(ConfigHints, Fields) {
  const auto hints = parse_config_hints(
      R"({"model_type": "opt", "activation_function": "relu", "hidden_size": 64,
          "num_attention_heads": 4})");
  ASSERT_TRUE(hints.ok());
  EXPECT_EQ(hints->model_type, "opt");
  EXPECT_EQ(hints->activation, "relu");
  EXPECT_EQ(hints->head_size, 16u);
  EXPECT_EQ(parse_config_hints(R"({"head_dim": 5, "hidden_size": 64})")->head_size, 5u);
  // What is of another type than expected is as good as absent; no heads are no division.
  const auto odd = parse_config_hints(
      R"({"model_type": 1, "head_dim": "x", "hidden_size": 64, "num_attention_heads": 0})");
  ASSERT_TRUE(odd.ok());
  EXPECT_FALSE(odd->model_type || odd->activation || odd->head_size);
  for (const char* text : {"", "[]", "{", "1", "\xFF"}) {
    const auto wrong = parse_config_hints(text);
    ASSERT_FALSE(wrong.ok()) << text;
    EXPECT_EQ(wrong.error().code(), ErrorCode::kCorrupt);
  }
}

TEST(ConfigHints, WhereItIsLookedFor) {
  const test::TempDirectory directory;
  const auto input = directory / "model.safetensors";
  test::write_model(input, {{"w", test::random_floats({16, 16}, 1)}});
  const auto source = open_model_source(input, OpenAs::kDetect);
  ASSERT_TRUE(source.ok());
  const encode::SafetensorsMetadata with_config = {{"config", "{\"model_type\": \"inside\"}"}};
  const auto type = [&](const encode::SafetensorsMetadata& metadata,
                        const std::filesystem::path& config) {
    const auto text = find_config_text(*source, metadata, input, config);
    EXPECT_TRUE(text.ok());
    return read_config_hints(*text)->model_type.value_or("none");
  };
  EXPECT_EQ(type({}, {}), "none");
  test::write_file(directory / "config.json", std::string_view("{\"model_type\": \"beside\"}"));
  test::write_file(directory / "other.json", std::string_view("{\"model_type\": \"named\"}"));
  EXPECT_EQ(type({}, {}), "beside");
  EXPECT_EQ(type(with_config, {}), "inside");
  EXPECT_EQ(type(with_config, directory / "other.json"), "named");
  EXPECT_FALSE(find_config_text(*source, {}, input, directory / "missing").ok());
}

std::vector<SourceTensor> tensors_of(const StoredModel& model) {
  std::vector<SourceTensor> tensors;
  for (const auto& [name, tensor] : model) {
    tensors.push_back({.name = name, .dtype = tensor.dtype, .shape = tensor.shape});
  }
  return tensors;
}

TEST(ModelLayers, OnlyConv1DIsTransposed) {
  const auto transposed = [](test::LayerKind kind) {
    const std::vector<SourceTensor> tensors = tensors_of(test::make_layer({.kind = kind}, 1));
    std::vector<std::string> names;
    for (const uint32_t number : find_transposed_matrices(TensorTable(tensors))) {
      names.push_back(tensors[number].name);
    }
    return names;
  };
  EXPECT_TRUE(transposed(test::LayerKind::kLlama).empty());
  EXPECT_TRUE(transposed(test::LayerKind::kOpt).empty());
  EXPECT_TRUE(transposed(test::LayerKind::kGpt2Linear).empty());
  EXPECT_THAT(
      transposed(test::LayerKind::kGpt2Transposed),
      ElementsAre("transformer.h.0.attn.c_attn.weight", "transformer.h.0.attn.c_proj.weight",
                  "transformer.h.0.mlp.c_fc.weight", "transformer.h.0.mlp.c_proj.weight"));
}

TEST(ModelLayers, EveryLayerIsFoundByItsPrefix) {
  StoredModel model;
  for (const char* prefix : {"model.layers.0.", "model.layers.1.", "layers.12."}) {
    const test::LayerShape shape = {.kind = test::LayerKind::kLlama};
    for (const auto& [name, tensor] : make_layer(shape, 1)) {
      model[prefix + name.substr(shape.prefix().size())] = tensor;
    }
  }
  model.erase("model.layers.1.input_layernorm.weight");
  const std::vector<SourceTensor> tensors = tensors_of(model);
  std::vector<std::string> found;
  for (const ModelLayer& layer : find_model_layers(TensorTable(tensors))) {
    found.push_back(layer.prefix);
  }
  EXPECT_THAT(found, ElementsAre("layers.12.", "model.layers.0."));
}

TEST(GgufPairs, EveryCutHeaderIsRefused) {
  encode::GgufKeyValues keys;
  keys.add("a", 1u);
  keys.add("text", "value");
  const std::vector<std::string> list = {"x", "", "yz"};
  keys.add("list", std::span(list));
  keys.add("f", 0.5f);
  const encode::OutputLayout layout = lay_out_gguf_file(keys, {});
  const size_t end = 24 + keys.bytes().size();  // Magic, version and counts come first.
  for (size_t bytes = 0; bytes < end; ++bytes) {
    EXPECT_FALSE(list_gguf_pairs(std::span(layout.header).first(bytes)).ok()) << bytes;
  }
  const auto pairs = list_gguf_pairs(layout.header);
  ASSERT_TRUE(pairs.ok());
  ASSERT_EQ(pairs->size(), 4u);
  EXPECT_EQ((*pairs)[2].key, "list");
  size_t bytes = 0;
  for (const GgufPair& pair : *pairs) bytes += pair.bytes.size();
  EXPECT_EQ(bytes, keys.bytes().size());
}

TEST(LlamaGguf, RowsOfHeadsAreInterleaved) {
  // Two heads of 6 rows of one byte.
  const std::vector<std::byte> from = test::to_bytes("abcdefABCDEF");
  std::vector<std::byte> to(from.size());
  interleave_head_rows(6, 12, from, to);
  EXPECT_EQ(to, test::to_bytes("adbecfADBECF"));
}

constexpr const char* kConfig =
    R"({"model_type": "llama", "vocab_size": 32, "max_position_embeddings": 64, "hidden_size": 32,
        "num_hidden_layers": 1, "intermediate_size": 64, "num_attention_heads": 4,
        "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "bos_token_id": 1, "eos_token_id": [2, 3])";

TEST(LlamaGguf, FactsOfAConfiguration) {
  const auto read = [](const std::string& more) {
    const auto facts = read_llama_facts({kConfig + more + "}", "config"});
    EXPECT_TRUE(facts.ok());
    return *facts;
  };
  const auto facts = read("");
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->head_size, 8u);
  EXPECT_EQ(facts->key_value_heads, 2u);
  EXPECT_EQ(facts->begin_token, 1u);
  EXPECT_FALSE(facts->end_token);  // Two of them: GGUF's key has one.
  EXPECT_TRUE(read(R"(, "rope_scaling": null)"));
  EXPECT_FALSE(read(R"(, "rope_scaling": {"type": "linear"})"));
  EXPECT_FALSE(read(R"(, "head_dim": 7)"));
  EXPECT_FALSE(*read_llama_facts({R"({"model_type": "gpt2"})", "config"}));
  EXPECT_FALSE(*read_llama_facts({R"({"model_type": "llama"})", "config"}));
  EXPECT_FALSE(read_llama_facts({"[]", "config"}).ok());
}

/// A tensor more, or a shape that the configuration does not give: the names stay.
TEST(LlamaGguf, ModelsThatAreNoLlama) {
  const test::LayerShape shape = {.heads = 4, .value_heads = 2, .feed_forward = 64};
  StoredModel llama;
  for (const auto& [name, tensor] : make_layer(shape, 1)) {
    if (!name.ends_with(".bias")) llama.emplace(name, tensor);
  }
  llama.emplace("model.embed_tokens.weight", test::random_floats({32, 32}, 2));
  llama.emplace("model.norm.weight", test::random_floats({32}, 3));
  StoredModel with_bias = llama;
  with_bias.emplace("model.layers.0.self_attn.q_proj.bias", test::random_floats({32}, 4));
  StoredModel wrong_heads = llama;
  wrong_heads["model.layers.0.self_attn.k_proj.weight"] = test::random_floats({32, 32}, 5);
  StoredModel odd_number = llama;
  odd_number.emplace("model.layers.00.input_layernorm.weight", test::random_floats({32}, 6));
  const auto is_llama = [](const StoredModel& model) {
    const test::TempDirectory directory;
    write_model(directory / "model.safetensors", model);
    test::write_file(directory / "config.json", std::string(kConfig) + "}");
    const auto report = test::run_quantize(directory / "model.safetensors", directory / "out.gguf",
                                           {.scheme = Scheme::kQ8_0});
    EXPECT_TRUE(report.ok());
    EXPECT_NE(report->gguf_llama, report->gguf_names_kept);
    const StoredModel out = test::read_model(directory / "out.gguf");
    EXPECT_EQ(out.contains("blk.0.attn_q.weight"), report->gguf_llama);
    return report->gguf_llama;
  };
  EXPECT_TRUE(is_llama(llama));
  EXPECT_FALSE(is_llama(with_bias));
  EXPECT_FALSE(is_llama(wrong_heads));
  EXPECT_FALSE(is_llama(odd_number));
}

}  // namespace
}  // namespace qload::quantize
