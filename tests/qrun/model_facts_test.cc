// Where a configuration and a vocabulary are found, and in which order.
#include "tools/qrun/model_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/pack/pack.h"
#include "tests/qrun/llama_fixture.h"
#include "tests/qrun/tokenizer_fixture.h"
#include "tests/support/test_files.h"

namespace qload::qrun {
namespace {

using test::TempDirectory;
using ::testing::HasSubstr;

class ModelFactsTest : public ::testing::Test {
 protected:
  /// The number of layers in the configuration that is found.
  Result<uint32_t> layers(const std::filesystem::path& model,
                          const std::filesystem::path& config = {}) {
    auto file = ModelFile::open(model);
    if (!file.ok()) return file.error();
    auto facts = read_model_facts(*file, {.config = config});
    if (!facts.ok()) return facts.error();
    return facts->config.layer_count;
  }
  /// What is found where the configuration is no question.
  Result<ModelFacts> facts(const std::filesystem::path& model,
                           const std::filesystem::path& tokenizer = {}) {
    auto file = ModelFile::open(model);
    if (!file.ok()) return file.error();
    return read_model_facts(*file, {.tokenizer = tokenizer});
  }
  /// A vocabulary in which "ab" is `token`, which must be less than the model's 50 tokens.
  static std::string tokenizer_of(uint32_t token) {
    nlohmann::json file = test::byte_level_tokenizer({});
    file["model"]["vocab"] = {{"a", 0}, {"b", 1}, {"ab", token}};
    file["model"]["merges"] = nlohmann::json::array({"a b"});
    return file.dump();
  }
  static uint32_t token_of(const Result<ModelFacts>& found) {
    EXPECT_TRUE(found.ok()) << found.error().message();
    if (!found.ok() || found->tokenizer == nullptr) return 0;
    return found->tokenizer->encode("ab").value().at(0);
  }
  std::string config_of(uint32_t layer_count) {
    test::DenseLlama dense = llama_.dense;
    dense.layers = layer_count;
    return test::config_json(dense);
  }
  const test::LlamaFixture llama_ = test::make_llama(encode::Encoding::kF16, false, 2);
  TempDirectory directory_;
};

TEST_F(ModelFactsTest, NoneAnywhereIsSaidSo) {
  test::write_file(directory_ / "m.safetensors", test::as_safetensors(llama_, false));
  const auto found = layers(directory_ / "m.safetensors");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(std::string(found.error().message()), HasSubstr("--config"));
}

TEST_F(ModelFactsTest, BesideThenInsideThenNamed) {
  test::write_file(directory_ / "config.json", config_of(7));
  test::write_file(directory_ / "bare.safetensors", test::as_safetensors(llama_, false));
  EXPECT_EQ(layers(directory_ / "bare.safetensors").value(), 7u);
  test::write_file(directory_ / "full.safetensors", test::as_safetensors(llama_));
  EXPECT_EQ(layers(directory_ / "full.safetensors").value(), 2u);
  test::write_file(directory_ / "other.json", config_of(9));
  EXPECT_EQ(layers(directory_ / "full.safetensors", directory_ / "other.json").value(), 9u);
  EXPECT_FALSE(layers(directory_ / "full.safetensors", directory_ / "absent.json").ok());
}

TEST_F(ModelFactsTest, FoldersCarryTheirsIntoTheContainer) {
  std::filesystem::create_directory(directory_ / "folder");
  test::write_file(directory_ / "folder/model.safetensors", test::as_safetensors(llama_, false));
  test::write_file(directory_ / "folder/config.json", config_of(6));
  EXPECT_EQ(layers(directory_ / "folder").value(), 6u);
  auto source = open_model_source(directory_ / "folder", OpenAs::kDetect);
  ASSERT_TRUE(source.ok());
  ASSERT_TRUE(pack_model(*source, directory_ / "folder.qpk", {}).ok());
  EXPECT_EQ(layers(directory_ / "folder.qpk").value(), 6u);
}

TEST_F(ModelFactsTest, GgufTakesNoOther) {
  test::write_file(directory_ / "m.gguf", test::as_gguf(llama_));
  test::write_file(directory_ / "config.json", config_of(7));
  EXPECT_EQ(layers(directory_ / "m.gguf").value(), 2u);
  const auto named = layers(directory_ / "m.gguf", directory_ / "config.json");
  ASSERT_FALSE(named.ok());
  EXPECT_EQ(named.error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(ModelFactsTest, AFaultNamesItsFile) {
  test::write_file(directory_ / "m.safetensors", test::as_safetensors(llama_, false));
  test::write_file(directory_ / "config.json", "{");
  const auto found = layers(directory_ / "m.safetensors");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(std::string(found.error().message()), HasSubstr("config.json"));
}

TEST_F(ModelFactsTest, TokenizersBesideAndNamed) {
  for (const char* name : {"m.safetensors", "m.gguf"}) {
    SCOPED_TRACE(name);
    const auto model = directory_ / name;
    test::write_file(model, std::string_view(name).ends_with("gguf")
                                ? test::as_gguf(llama_)
                                : test::as_safetensors(llama_));
    std::filesystem::remove(directory_ / "tokenizer.json");
    EXPECT_EQ(facts(model)->tokenizer, nullptr);
    EXPECT_EQ(facts(model)->tokenizer_refusal, "");
    test::write_file(directory_ / "tokenizer.json", tokenizer_of(7));
    EXPECT_EQ(token_of(facts(model)), 7u);
    test::write_file(directory_ / "other.json", tokenizer_of(9));
    EXPECT_EQ(token_of(facts(model, directory_ / "other.json")), 9u);
    EXPECT_EQ(facts(model, directory_ / "absent.json").error().code(), ErrorCode::kNotFound);
  }
}

TEST_F(ModelFactsTest, TokenizersOfFoldersAndContainers) {
  std::filesystem::create_directory(directory_ / "folder");
  test::write_file(directory_ / "folder/model.safetensors", test::as_safetensors(llama_));
  test::write_file(directory_ / "folder/tokenizer.json", tokenizer_of(5));
  EXPECT_EQ(token_of(facts(directory_ / "folder")), 5u);
  auto source = open_model_source(directory_ / "folder", OpenAs::kDetect);
  ASSERT_TRUE(source.ok());
  ASSERT_TRUE(pack_model(*source, directory_ / "folder.qpk", {}).ok());
  test::write_file(directory_ / "tokenizer.json", tokenizer_of(6));
  EXPECT_EQ(token_of(facts(directory_ / "folder.qpk")), 5u);  // Its own before the one beside it.
}

TEST_F(ModelFactsTest, OtherTokenizersArePassedOverUnlessNamed) {
  const auto model = directory_ / "m.safetensors";
  const auto beside = directory_ / "tokenizer.json";
  test::write_file(model, test::as_safetensors(llama_));
  nlohmann::json other = nlohmann::json::parse(tokenizer_of(7));
  other["normalizer"] = {{"type", "NFKC"}};
  test::write_file(beside, other.dump());
  const auto found = facts(model);
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(found->tokenizer, nullptr);
  EXPECT_THAT(found->tokenizer_refusal, HasSubstr("NFKC"));
  EXPECT_THAT(found->tokenizer_refusal, HasSubstr("tokenizer.json"));
  const auto named = facts(model, beside);
  ASSERT_FALSE(named.ok());
  EXPECT_EQ(named.error().code(), ErrorCode::kUnsupported);
  test::write_file(beside, tokenizer_of(50));  // The model has tokens 0 to 49.
  EXPECT_THAT(facts(model)->tokenizer_refusal, HasSubstr("the model has 50 tokens"));
  test::write_file(beside, "{");
  const auto damaged = facts(model);
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(std::string(damaged.error().message()), HasSubstr("tokenizer.json"));
}

}  // namespace
}  // namespace qload::qrun
