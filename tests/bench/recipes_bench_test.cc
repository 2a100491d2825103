// The recipe benchmark: its sums, and a tiny size of the whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bench/recipes/recipes_benchmark.h"
#include "format/base/bytes.h"
#include "tests/support/model_fixtures.h"
#include "tests/support/test_files.h"

namespace qload::bench {
namespace {

using test::TempDirectory;
using testing::HasSubstr;

void write_model(const std::filesystem::path& path) {
  test::write_file(
      path, test::SafetensorsBuilder()
                .add("layers.0.int8", "I8", {300'000}, test::gaussian_int8(300'000, 8, 1))
                .add("layers.0.bf16", "BF16", {100'000}, test::gaussian_bf16(100'000, 0.02, 2))
                .add("layers.0.noise", "U8", {50'000}, test::random_bytes(50'000, 3))
                .build());
}

/// The default, then fixed recipes, that load in so many seconds at each rate.
ModelForms model_of(const std::string& name, const std::vector<std::vector<double>>& seconds) {
  ModelForms model{.name = name};
  // Every recipe from the fourth on is fixed.
  for (size_t i = 0; i < seconds.size(); ++i) {
    const PackingRecipe& recipe = all_packing_recipes()[i == 0 ? 0 : i + 2];
    model.forms.push_back({.recipe = &recipe, .load_seconds = seconds[i]});
  }
  return model;
}

TEST(RecipesReport, DistanceIsToTheBestFixedChoiceOfEachRate) {
  RecipesReport report{.storage_rates = {1e8, 1e9}};
  report.models.push_back(model_of("a", {{2.0, 1.0}, {4.0, 0.5}, {2.5, 1.25}}));
  report.models.push_back(model_of("b", {{1.0, 1.5}, {1.0, 3.0}, {2.0, 1.0}}));
  const auto slow = default_distance(report.models[0], 0);
  ASSERT_TRUE(slow);
  EXPECT_EQ(slow->best_fixed, &report.models[0].forms[2]);
  EXPECT_DOUBLE_EQ(slow->share, -0.2);
  const auto worst = worst_distance(report);
  ASSERT_TRUE(worst);
  EXPECT_EQ(worst->model, &report.models[0]);
  EXPECT_EQ(worst->rate, 1u);
  EXPECT_DOUBLE_EQ(worst->distance.share, 1.0);
  std::ostringstream out;
  print_recipes_summary(report, TableStyle::kText, out);
  EXPECT_THAT(out.str(), HasSubstr("worst distance: +100.00 %, a at 1 GB/s, from store"));
}

TEST(RecipesReport, WithoutTheDefaultThereIsNoDistance) {
  RecipesReport report{.storage_rates = {1e9}};
  report.models.push_back(model_of("a", {{2.0}}));
  EXPECT_FALSE(default_distance(report.models[0], 0));
  EXPECT_FALSE(worst_distance(report));
}

TEST(RecipesBenchmark, RefusesAnUnknownRecipeAndNoModel) {
  InterruptGuard interrupts;
  const auto unknown =
      run_recipes_benchmark({.models = {"x"}, .recipes = {"lzma"}}, {}, interrupts);
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(std::string(unknown.error().message()), HasSubstr("lzma"));
  EXPECT_FALSE(run_recipes_benchmark({}, {}, interrupts).ok());
}

TEST(RecipesBenchmark, LoadsAreModelledFromTheContainer) {
  TempDirectory directory;
  write_model(directory / "m.safetensors");
  InterruptGuard interrupts;
  const auto report = run_recipes_benchmark({.models = {directory / "m.safetensors"},
                                             .scratch = directory.path(),
                                             .recipes = {"store", "fse"},
                                             .storage_rates = {1e3, 1e12},
                                             .decode_threads = 2,
                                             .pack_threads = 1},
                                            {}, interrupts);
  ASSERT_TRUE(report.ok()) << report.error().message();
  ASSERT_EQ(report->models.size(), 1u);
  const auto& forms = report->models[0].forms;
  ASSERT_EQ(forms.size(), 2u);
  for (const PackedForm& form : forms) {
    EXPECT_DOUBLE_EQ(form.load_seconds[0], static_cast<double>(form.container_bytes) / 1e3);
  }
  // Raw chunks need no decoding: reading is all there is, however fast.
  EXPECT_EQ(forms[0].decode_seconds, 0);
  EXPECT_DOUBLE_EQ(forms[0].load_seconds[1], static_cast<double>(forms[0].container_bytes) / 1e12);
  EXPECT_GT(forms[1].decode_seconds, 300'000 / mid_device().fse_rate);
  EXPECT_DOUBLE_EQ(forms[1].load_seconds[1], forms[1].decode_seconds / 2);
  EXPECT_LT(forms[1].chunk_bytes, forms[0].chunk_bytes);
}

TEST(RecipesBenchmark, TinySizeOfTheCommand) {
  TempDirectory directory;
  write_model(directory / "m.safetensors");
  const auto path = [&](const char* name) { return (directory / name).string(); };
  const std::string program = std::string(QLOAD_BENCH_PATH) + " recipes ";
  const std::string command = program + path("m.safetensors") + " --storage 300M,1G --threads 4" +
                              " --dir " + directory.path().string() + " --json " +
                              path("out.json") + " --markdown " + path("out.md") + " > " +
                              path("out.txt");
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  const auto json = nlohmann::json::parse(std::ifstream(directory / "out.json"));
  const auto& model = json["models"][0];
  EXPECT_EQ(model["name"], "m.safetensors");
  EXPECT_EQ(model["tensor_count"], 3);
  ASSERT_EQ(model["forms"].size(), all_packing_recipes().size());
  for (const auto& form : model["forms"]) {
    SCOPED_TRACE(form.dump());
    EXPECT_EQ(form["loads"].size(), 2u);
    EXPECT_EQ(form["loads"][0]["storage_bytes_per_second"], 300e6);
    EXPECT_GT(form["container_bytes"], form["chunk_bytes"]);
  }
  ASSERT_EQ(model["distances"].size(), 2u);
  // Stored raw or by another codec, this model is larger.
  EXPECT_LT(model["distances"][0]["distance"], 0.02);
  EXPECT_EQ(json["worst"]["model"], "m.safetensors");
  // Nothing is left behind.
  EXPECT_THAT(test::list_directory(directory.path()),
              testing::ElementsAre("m.safetensors", "out.json", "out.md", "out.txt"));
  for (const char* file : {"out.txt", "out.md"}) {
    EXPECT_THAT(as_text(test::read_file(directory / file)), HasSubstr("worst distance: ")) << file;
  }

  const std::string quiet = " > /dev/null 2>&1";
  EXPECT_NE(std::system((program + path("absent") + quiet).c_str()), 0);
  EXPECT_NE(std::system((program + path("m.safetensors") + " --storage 0" + quiet).c_str()), 0);
  EXPECT_EQ(std::system((program + "--list" + quiet).c_str()), 0);
}

}  // namespace
}  // namespace qload::bench
