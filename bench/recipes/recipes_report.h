// What the recipe benchmark found, and its three forms: tables, Markdown, JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "bench/load/machine.h"
#include "bench/load/report_table.h"
#include "bench/recipes/packing_recipe.h"
#include "format/pack/cost_model.h"

namespace qload::bench {

/// One model packed by one recipe.
struct PackedForm {
  const PackingRecipe* recipe = nullptr;
  uint64_t container_bytes = 0;
  uint64_t chunk_bytes = 0;               ///< Of all stored chunks.
  double decode_seconds = 0;              ///< Of one core of the target, all chunks.
  double pack_seconds = 0;                ///< On this machine.
  std::vector<double> load_seconds = {};  ///< Modelled, for each storage rate.
};

struct ModelForms {
  std::string name;
  uint64_t source_bytes = 0;
  uint64_t tensor_count = 0;
  std::vector<PackedForm> forms = {};
};

struct RecipesReport {
  Machine machine;
  TargetDevice device;  ///< Its storage rate is replaced by each of storage_rates.
  std::vector<double> storage_rates;
  std::vector<ModelForms> models;
};

/// How the default stands against the fixed choice that loads the model soonest.
struct Distance {
  const PackedForm* best_fixed = nullptr;
  double share = 0;  ///< 0.01: the default takes 1 % longer; negative: it is faster.
};
/// Nothing where the default or every fixed choice was left out. REQUIRES: rate < rates.
std::optional<Distance> default_distance(const ModelForms& model, size_t rate);

/// The largest distance of all models and rates.
struct WorstDistance {
  const ModelForms* model = nullptr;
  size_t rate = 0;
  Distance distance;
};
std::optional<WorstDistance> worst_distance(const RecipesReport& report);

void print_recipes_facts(const RecipesReport& report, TableStyle style, std::ostream& out);
void print_recipes_model(const RecipesReport& report, const ModelForms& model, TableStyle style,
                         std::ostream& out);
void print_recipes_summary(const RecipesReport& report, TableStyle style, std::ostream& out);
std::string recipes_report_to_json(const RecipesReport& report);

}  // namespace qload::bench
