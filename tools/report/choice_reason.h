// Why a tensor is stored as it is: sums over its chunks, and a sentence for people. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "format/pack/recipe.h"
#include "tools/report/container_facts.h"

namespace qload::tools {

/// One of the plans that the recipe compared, over the chunks it was compared for.
struct PlanTotals {
  PlanKind kind = PlanKind::kFilter;
  FilterId filter = FilterId::kNone;
  FormCounts names;  ///< The plan in words (plan_text); chunks may differ in codecs.
  uint64_t chunk_count = 0;
  uint64_t chosen_count = 0;  ///< Chunks that the default recipe stores by this plan.
  double decoded_bytes = 0;
  double stored_bytes = 0;    ///< Estimated.
  double decode_seconds = 0;  ///< On the target, by all its threads.
  double read_seconds = 0;    ///< On the target.
  double cost = 0;
  double raw_cost = 0;  ///< Of the same chunks, raw.

  std::string name() const { return form_summary(names); }
  /// Share of the bytes that it saves; below 0 when it adds.
  double saved_share() const { return 1 - stored_bytes / decoded_bytes; }
  double relative_cost() const { return cost / raw_cost; }
  double read_seconds_per_gb() const { return read_seconds * 1e9 / decoded_bytes; }
  double decode_seconds_per_gb() const { return decode_seconds * 1e9 / decoded_bytes; }
};

/// One stream of a filter over all chunks that were split by it.
struct StreamTotals {
  uint64_t bytes = 0;
  uint64_t entropy_bits = 0;  ///< Order 0, chunk by chunk.
};

/// What one tensor, or several of a kind, are stored as and could be.
struct ChoiceTotals {
  uint64_t chunk_count = 0;
  uint64_t decoded_bytes = 0;
  uint64_t stored_bytes = 0;
  uint64_t entropy_bits = 0;          ///< Of the plain bytes, order 0, chunk by chunk.
  FormCounts forms;                   ///< As stored.
  FormCounts default_forms;           ///< As the default recipe would store it.
  uint64_t default_stored_bytes = 0;  ///< By the default recipe.
  uint64_t other_choice_count = 0;    ///< Chunks of another form, or size, than the default's.
  std::vector<PlanTotals> plans;      ///< In the recipe's order: raw first.
  /// Streams of the filters that the stored chunks have.
  std::map<FilterId, std::array<StreamTotals, kStreamCountMax>> streams;

  PlanTotals& plan(PlanKind kind, FilterId filter);
  void add(const ChoiceTotals& other);
  /// The plan that the default recipe chose for most chunks; null without chunks.
  const PlanTotals* chosen() const;
  /// The filter that most stored bytes went through.
  FilterId main_filter() const;
};

/// What the target and the options of a default recipe are.
struct ChoiceTerms {
  TargetDevice device = RecipeOptions{}.device;
  double gain_min = RecipeOptions{}.gain_min;
};

/// A short reason in plain words for what the default recipe chooses and, where the container was
/// packed with other options, that it would choose differently.
std::string choice_reason(const ChoiceTotals& totals, const ChoiceTerms& terms);
/// The reason for a tensor that has another's chunks.
std::string shared_reason(std::string_view owner);

/// "36.9 %", "2 %": one decimal where it tells something.
std::string percent_text(double share);

}  // namespace qload::tools
