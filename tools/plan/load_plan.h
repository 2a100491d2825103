// What packing a model would give on one device: sizes, load times, the recipe, advice.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "format/container/container_reader.h"
#include "format/input/model_source.h"
#include "format/pack/device_recipe.h"
#include "qload/result.h"
#include "tools/plan/planned_form.h"
#include "tools/profile/device_profile.h"

namespace qload::tools {

/// Loads within this factor of each other are the same to a user, and to the model's accuracy.
inline constexpr double kWorthMin = 1.03;

/// Tensors of one element type and role.
struct PlannedKind {
  std::string dtype;
  std::string role;
  uint64_t tensor_count = 0;
  uint64_t bytes = 0;                     ///< Of chunks: tensors that are equal count once.
  uint64_t stored_bytes = 0;              ///< As the last of the forms has them.
  std::map<std::string, uint64_t> forms;  ///< Decoded bytes by form_text.
};

struct LoadPlan {
  DeviceProfile target;
  uint64_t tensor_count = 0;
  uint64_t duplicate_count = 0;
  uint64_t tensor_bytes = 0;  ///< Decoded, all tensors.
  uint64_t sampled_bytes = 0;
  uint64_t chunk_bytes = 0;  ///< Of all chunks: what the sample was taken of.
  DeviceRecipe recipe;
  std::vector<PlannedForm> forms;  ///< Plain first, the form for the target last.
  std::vector<PlannedKind> kinds;  ///< Largest first.

  bool is_sampled() const { return sampled_bytes < chunk_bytes; }
  /// How many times as fast as plain the last form loads.
  double speed_up() const;
  double cached_speed_up() const;
};

struct LoadPlanOptions {
  uint32_t threads = 0;  ///< Of this machine; 0: one for each processor.
  std::function<void(uint64_t bytes_done, uint64_t bytes_total)> on_progress = {};
};

/// Packs a sample of `source` in memory. kCancelled on request; errors of reading.
Result<LoadPlan> plan_source(const ModelSource& source, const DeviceProfile& target,
                             const LoadPlanOptions& options, std::stop_token stop);

/// The same for a model that is packed already: its index tells everything.
LoadPlan plan_container(const Container& container, const DeviceProfile& target);

/// Whether packing is worth it, and why: a few sentences, the verdict first.
std::vector<std::string> load_advice(const LoadPlan& plan);

}  // namespace qload::tools
