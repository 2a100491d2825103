// The recipe benchmark: models packed in every way, verified, and their loads modelled.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "bench/load/bench_interrupt.h"
#include "bench/recipes/recipes_report.h"
#include "qload/result.h"

namespace qload::bench {

struct RecipesBenchmarkOptions {
  std::vector<std::filesystem::path> models;  ///< Files or directories of shards.
  std::filesystem::path scratch;              ///< Empty: the system's directory for such.
  std::vector<std::string> recipes;           ///< Names; empty: all.
  std::vector<double> storage_rates = {300e6, 1e9, 3e9};    ///< Bytes per second.
  uint32_t decode_threads = TargetDevice{}.decode_threads;  ///< Of the target.
  uint32_t pack_threads = 0;  ///< On this machine; 0: one for each processor.
};

struct RecipesBenchmarkEvents {
  std::function<void(const RecipesReport&)> on_start;
  std::function<void(const RecipesReport&)> on_model;  ///< models.back() is complete.
};

/// The safetensors and GGUF files of `directory`, by name.
Result<std::vector<std::filesystem::path>> list_models(const std::filesystem::path& directory);

/// Runs it. kInvalidArgument for an unknown recipe or no model; kCorrupt when a container does not
/// verify, or holds another model than the first recipe's.
Result<RecipesReport> run_recipes_benchmark(const RecipesBenchmarkOptions& options,
                                            const RecipesBenchmarkEvents& events,
                                            InterruptGuard& interrupts);

}  // namespace qload::bench
