// Where a configuration is found, and in which order.
#include "tools/qrun/model_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/pack/pack.h"
#include "tests/qrun/llama_fixture.h"
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
  std::string config_of(uint32_t layer_count) {
    test::DenseLlama dense = llama_.dense;
    dense.layers = layer_count;
    return test::config_json(dense);
  }
  const test::LlamaFixture llama_ = test::make_llama(synth::Encoding::kF16, false, 2);
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

}  // namespace
}  // namespace qload::qrun
