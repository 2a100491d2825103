#include "bench/bench_commands.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <sstream>

#include "bench/load/command_output.h"
#include "bench/recipes/recipes_benchmark.h"

namespace qload::bench {
namespace {

// Values as they stand on the command line.
struct Arguments {
  RecipesBenchmarkOptions options;
  std::vector<uint64_t> storage_rates;
  bool list = false;
  std::string json_path;
  std::string markdown_path;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  qload_bench recipes\n"
    "  qload_bench recipes model.safetensors --storage 100M,500M,7G --threads 2\n"
    "  qload_bench recipes model.gguf --recipes default,zstd-1,lane_huffman --json recipes.json";

int list_recipes() {
  for (const PackingRecipe& recipe : all_packing_recipes()) {
    std::cout << (recipe.fixed ? "  " : "* ") << recipe.name << ": " << recipe.description << '\n';
  }
  std::cout << "* chooses; the others are fixed\n";
  return 0;
}

int run(const Arguments& arguments) {
  if (arguments.list) return list_recipes();
  RecipesBenchmarkOptions options = arguments.options;
  if (options.models.empty() && !default_models().empty()) {
    auto models = list_models(default_models());
    if (!models) return report_failure(models.error());
    options.models = std::move(*models);
  }
  if (!arguments.storage_rates.empty()) {
    options.storage_rates.assign(arguments.storage_rates.begin(), arguments.storage_rates.end());
  }
  InterruptGuard interrupts;
  std::ostringstream markdown;
  const RecipesBenchmarkEvents events = {
      .on_start =
          [&](const RecipesReport& report) {
            print_recipes_facts(report, TableStyle::kText, std::cout);
            print_recipes_facts(report, TableStyle::kMarkdown, markdown);
          },
      .on_model =
          [&](const RecipesReport& report) {
            print_recipes_model(report, report.models.back(), TableStyle::kText, std::cout);
            std::cout << std::flush;
            print_recipes_model(report, report.models.back(), TableStyle::kMarkdown, markdown);
          }};
  const auto report = run_recipes_benchmark(options, events, interrupts);
  if (!report) return report_failure(report.error());
  print_recipes_summary(*report, TableStyle::kText, std::cout);
  print_recipes_summary(*report, TableStyle::kMarkdown, markdown);
  if (!arguments.json_path.empty() &&
      !write_text(arguments.json_path, recipes_report_to_json(*report) + "\n")) {
    return kExitFailed;
  }
  if (!arguments.markdown_path.empty() && !write_text(arguments.markdown_path, markdown.str())) {
    return kExitFailed;
  }
  return 0;
}

}  // namespace

void add_recipes_command(CLI::App& app, int* exit_code) {
  auto arguments = std::make_shared<Arguments>();
  RecipesBenchmarkOptions& options = arguments->options;
  CLI::App* command = app.add_subcommand(
      "recipes",
      "Compares the default choice of codecs with every fixed one: sizes, modelled loads");
  command->footer(kExamples);
  command->add_option("MODELS", options.models,
                      "Model files, or directories of shards; the files of $QLOAD_MODELS, else of "
                      "shared/models beside the checkout");
  command->add_option("--recipes", options.recipes, "Names from --list, separated by commas; all")
      ->delimiter(',');
  command->add_flag("--list", arguments->list, "Lists the recipes");
  command
      ->add_option("--storage", arguments->storage_rates,
                   "Bytes per second of storage, as 300M,1G,3G (powers of 1000)")
      ->delimiter(',')
      ->transform(CLI::AsSizeValue(true))
      ->check(CLI::PositiveNumber);
  command->add_option("--threads", options.decode_threads, "Decode threads of the target")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      ->add_option("--pack-threads", options.pack_threads,
                   "Threads that pack here; 0: one for each processor")
      ->check(CLI::Range(0, 1024));
  command->add_option("--dir", options.scratch, "Place for scratch files; the system's");
  command->add_option("--json", arguments->json_path, "Writes all figures to this file");
  command->add_option("--markdown", arguments->markdown_path, "Writes the tables to this file");
  command->callback([arguments, exit_code] { *exit_code = run(*arguments); });
}

}  // namespace qload::bench
