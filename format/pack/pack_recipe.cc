#include "format/pack/pack_recipe.h"

#include "format/base/try.h"

namespace qload {
namespace {

TargetDevice device_for(PackGoal goal) {
  switch (goal) {
    case PackGoal::kFastDecode:
      return fast_decode_device();
    case PackGoal::kSmallest:
      return smallest_size();
    case PackGoal::kBalanced:
      break;
  }
  return mid_device();
}

}  // namespace

Result<PackRecipe> choose_pack_recipe(const ModelSource& source, const PackPlan& plan,
                                      const PackOptions& options, uint32_t threads,
                                      const std::stop_token& stop) {
  PackRecipe recipe;
  recipe.options = {options.filter, options.codec, options.zstd_level, options.gain_min,
                    options.target.value_or(device_for(options.goal))};
  if (options.target) {
    const SampleOptions sample{
        .filter = options.filter, .gain_min = options.gain_min, .threads = threads};
    QLOAD_TRY(recipe.split, find_device_recipe(source, plan, *options.target, sample, stop));
    recipe.options.device.decode_weight = recipe.split.weight;
  }
  recipe.lean_device = recipe.options.device;
  recipe.lean_device.decode_weight = recipe.split.lean_weight;
  return recipe;
}

}  // namespace qload
