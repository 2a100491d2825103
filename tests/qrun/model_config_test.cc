// Configurations: the two formats, defaults, and everything a hostile file may say.
#include "tools/qrun/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/base/bytes.h"
#include "tests/support/model_fixtures.h"
#include "tests/support/test_files.h"

namespace qload::qrun {
namespace {

using ::testing::HasSubstr;

std::string config_with(std::string_view field) {
  return R"({"model_type":"llama","num_hidden_layers":5,"hidden_size":64,"intermediate_size":172,
            "num_attention_heads":8,"vocab_size":512)" +
         std::string(field.empty() ? "" : ",") + std::string(field) + "}";
}

TEST(ConfigJson, DefaultsAreThoseOfTransformers) {
  const auto config = read_config_json(config_with(""));
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->key_value_head_count, 8u);
  EXPECT_EQ(config->head_size, 8u);
  EXPECT_EQ(config->context_length, 2048u);
  EXPECT_EQ(config->norm_epsilon, 1e-6);
  EXPECT_EQ(config->rope_base, 10000);
  EXPECT_FALSE(config->tied_embeddings);
  EXPECT_FALSE(config->begin_token);
  EXPECT_EQ(config->rope_layout, RopeLayout::kHalves);
}

TEST(ConfigJson, ReadsWhatIsThere) {
  const auto config = read_config_json(config_with(
      R"("num_key_value_heads":4,"head_dim":16,"rope_theta":500000,"rms_norm_eps":0.001,
         "tie_word_embeddings":true,"bos_token_id":1,"eos_token_id":[2,5],"rope_scaling":null)"));
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->query_size(), 128u);
  EXPECT_EQ(config->key_value_size(), 64u);
  EXPECT_EQ(config->rope_base, 500000);
  EXPECT_TRUE(config->tied_embeddings);
  EXPECT_EQ(config->begin_token, 1u);
  EXPECT_EQ(config->end_tokens, (std::vector<uint32_t>{2, 5}));
}

struct Refusal {
  std::string json;
  ErrorCode code;
  std::string words;
};

TEST(ConfigJson, RefusesWhatItCannotTrust) {
  const std::string deep(100'000, '[');
  const Refusal refusals[] = {
      {"", ErrorCode::kCorrupt, "not a JSON object"},
      {"[]", ErrorCode::kCorrupt, "not a JSON object"},
      {"{}", ErrorCode::kCorrupt, "num_hidden_layers is absent"},
      {deep, ErrorCode::kCorrupt, "not a JSON object"},
      {config_with(R"("num_attention_heads":0)"), ErrorCode::kCorrupt, "number of heads is 0"},
      {config_with(R"("num_key_value_heads":0)"), ErrorCode::kCorrupt, "key-value heads is 0"},
      {config_with(R"("num_key_value_heads":3)"), ErrorCode::kCorrupt, "not a multiple"},
      {config_with(R"("num_hidden_layers":-1)"), ErrorCode::kCorrupt,
       "num_hidden_layers is \"-1\""},
      {config_with(R"("num_hidden_layers":4294967296)"), ErrorCode::kCorrupt, "32 bits"},
      {config_with(R"("num_hidden_layers":4294967295)"), ErrorCode::kCorrupt, "[1, 4096]"},
      {config_with(R"("hidden_size":1.5)"), ErrorCode::kCorrupt, "hidden_size is \"1.5\""},
      {config_with(R"("hidden_size":"64")"), ErrorCode::kCorrupt, "hidden_size is"},
      {config_with(R"("hidden_size":4)"), ErrorCode::kCorrupt, "head size is 0"},
      {config_with(R"("head_dim":7)"), ErrorCode::kCorrupt, "even number"},
      {config_with(R"("vocab_size":4000000000)"), ErrorCode::kCorrupt, "vocabulary size"},
      {config_with(R"("rms_norm_eps":0)"), ErrorCode::kCorrupt, "epsilon"},
      {config_with(R"("rms_norm_eps":"x")"), ErrorCode::kCorrupt, "rms_norm_eps is"},
      {config_with(R"("rope_theta":-1)"), ErrorCode::kCorrupt, "rotary"},
      {config_with(R"("bos_token_id":512)"), ErrorCode::kCorrupt, "begin token is 512"},
      {config_with(R"("eos_token_id":[1,512])"), ErrorCode::kCorrupt, "end token is 512"},
      {config_with(R"("tie_word_embeddings":1)"), ErrorCode::kCorrupt, "tie_word_embeddings"},
      {config_with(R"("model_type":"opt")"), ErrorCode::kUnsupported, "model_type"},
      {config_with(R"("hidden_act":"gelu")"), ErrorCode::kUnsupported, "hidden_act"},
      {config_with(R"("attention_bias":true)"), ErrorCode::kUnsupported, "attention_bias"},
      {config_with(R"("rope_scaling":{"rope_type":"llama3"})"), ErrorCode::kUnsupported,
       "rope_scaling"},
  };
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.json.substr(0, 300));
    const auto config = read_config_json(refusal.json);
    ASSERT_FALSE(config.ok());
    EXPECT_EQ(config.error().code(), refusal.code);
    EXPECT_THAT(std::string(config.error().message()), HasSubstr(refusal.words));
  }
}

/// The key-values of a small GGUF Llama, without `left_out`.
std::vector<std::byte> gguf_header(std::string_view left_out = "",
                                   std::string_view architecture = "llama", uint32_t heads = 8) {
  test::GgufBuilder builder;
  builder.add_string("general.architecture", architecture);
  const std::pair<const char*, uint32_t> counts[] = {
      {"llama.block_count", 5},
      {"llama.embedding_length", 64},
      {"llama.feed_forward_length", 172},
      {"llama.context_length", 512},
      {"llama.attention.head_count", heads},
      {"llama.attention.head_count_kv", 4},
      {"llama.vocab_size", 512},
  };
  for (const auto& [key, value] : counts) {
    if (key != left_out) builder.add_u32(key, value);
  }
  builder.add_f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  return builder.build();
}

Result<ModelConfig> read_gguf(const std::vector<std::byte>& header) {
  const auto values = GgufValues::parse(header);
  if (!values.ok()) return values.error();
  return read_config_gguf(*values);
}

TEST(ConfigGguf, ReadsKeysAndDefaults) {
  const auto config = read_gguf(gguf_header());
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->layer_count, 5u);
  EXPECT_EQ(config->key_value_head_count, 4u);
  EXPECT_EQ(config->head_size, 8u);
  EXPECT_EQ(config->rope_base, 10000);
  EXPECT_EQ(config->rope_layout, RopeLayout::kInterleaved);
  EXPECT_TRUE(config->tied_embeddings);
  const auto no_groups = read_gguf(gguf_header("llama.attention.head_count_kv"));
  ASSERT_TRUE(no_groups.ok());
  EXPECT_EQ(no_groups->key_value_head_count, 8u);
}

TEST(ConfigGguf, RefusesWhatItCannotTrust) {
  EXPECT_THAT(std::string(read_gguf(gguf_header("llama.block_count")).error().message()),
              HasSubstr("\"llama.block_count\" is absent"));
  EXPECT_EQ(read_gguf(gguf_header("", "gpt2")).error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(std::string(read_gguf(gguf_header("", "llama", 0)).error().message()),
              HasSubstr("number of heads is 0"));
}

TEST(GgufValues, EveryTruncationIsAnError) {
  test::GgufBuilder builder;
  const float scores[] = {1, 2};
  builder.add_string("general.architecture", "llama")
      .add_string_array("tokens", {"a", "bc"})
      .add_array("scores", test::GgufValueType::kFloat32, 2, std::as_bytes(std::span(scores)))
      .add_bool("flag", true)
      .add_i32("negative", -3);
  const std::vector<std::byte> header = builder.build();
  const auto values = GgufValues::parse(header);
  ASSERT_TRUE(values.ok()) << values.error().message();
  EXPECT_EQ(values->find_texts("tokens").value(), (std::vector<std::string_view>{"a", "bc"}));
  EXPECT_EQ(values->find_floats("scores").value(), (std::vector<float>{1, 2}));
  EXPECT_EQ(values->find_bool("flag").value(), true);
  EXPECT_FALSE(values->find_bool("absent").value());
  EXPECT_FALSE(values->find_count("negative").ok());
  EXPECT_FALSE(values->find_texts("scores").ok());
  EXPECT_FALSE(values->find_text("flag").ok());
  EXPECT_FALSE(values->find_number("flag").ok());
  size_t whole = header.size();  // Without the padding at the end.
  while (GgufValues::parse(std::span(header).first(whole - 1)).ok()) --whole;
  ASSERT_GT(whole, 100u);
  for (size_t bytes = 0; bytes < whole; ++bytes) {
    EXPECT_FALSE(GgufValues::parse(std::span(header).first(bytes)).ok()) << bytes;
  }
}

TEST(GgufValues, RefusesCountsBeyondTheBytes) {
  ByteWriter writer;
  writer.write_bytes(as_byte_span("GGUF"));
  writer.write<uint32_t>(3);
  writer.write<uint64_t>(0);
  writer.write<uint64_t>(UINT64_MAX);
  EXPECT_FALSE(GgufValues::parse(writer.bytes()).ok());
  writer.write<uint64_t>(1);
  writer.write('k');
  writer.write<uint32_t>(9);
  writer.write<uint32_t>(12);
  writer.write<uint64_t>(UINT64_MAX / 2);
  EXPECT_FALSE(GgufValues::parse(writer.bytes()).ok());
}

}  // namespace
}  // namespace qload::qrun
