// The recipe of a whole model: the goal's device, or what a sample shows to be the target's best.
#pragma once

#include <cstdint>
#include <stop_token>

#include "format/input/model_source.h"
#include "format/pack/device_recipe.h"
#include "format/pack/pack.h"
#include "format/pack/pack_plan.h"
#include "format/pack/recipe.h"
#include "qload/result.h"

namespace qload {

/// What chunks are chosen by: one device, or for some chunks one where decoding costs more.
struct PackRecipe {
  RecipeOptions options;
  TargetDevice lean_device = {};
  DeviceRecipe split = {};  ///< With no lean share all chunks go by `options`.

  /// By which a chunk of that kind is chosen, `item` of the pack plan.
  const TargetDevice& device_of(ContentKind kind, uint64_t item) const {
    return kind != ContentKind::kKept && split.is_lean(item) ? lean_device : options.device;
  }
};

/// The recipe that pack_model packs `source` by: with a target a sample of it is encoded
/// (find_device_recipe). kCancelled when `stop` is requested; errors of reading.
Result<PackRecipe> choose_pack_recipe(const ModelSource& source, const PackPlan& plan,
                                      const PackOptions& options, uint32_t threads,
                                      const std::stop_token& stop);

}  // namespace qload
