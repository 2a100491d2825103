// The recipe for one device: how much decoding may cost, so that a whole load takes the least time.
#pragma once

#include <cstdint>
#include <stop_token>
#include <vector>

#include "format/pack/chunk_sample.h"
#include "format/pack/cost_model.h"
#include "format/pack/pack_plan.h"
#include "qload/result.h"

namespace qload {

/// Filter and codec of a chunk are chosen by reading + weight * decoding. The weight that makes a
/// load shortest depends on the whole model: where storage binds it is near 0, and where decoding
/// binds so high that little is coded. In between neither binds, and chunks of one kind would all
/// change sides at the same weight: there a share of the chunks, evenly spread, takes a leaner one.
/// Example: storage and the one decode thread both at 3 GB/s, ratio 1.58. All coded, and all raw,
/// take R / 3; with 73 % coded both take 0.73 R / 3.
struct DeviceRecipe {
  double weight = 0;
  double lean_weight = 0;  ///< At least `weight`.
  double lean_share = 0;   ///< Of the chunks, in [0, 1).

  /// True for chunks of the leaner weight: the same for each item, whoever asks.
  bool is_lean(uint64_t item) const;
};

/// The weights that are compared, increasing; the last codes nothing.
std::span<const double> device_weights();
/// `device` with each of them, as ChunkSample::take needs them.
std::vector<TargetDevice> weighted_devices(const TargetDevice& device);

/// What one load has to do when every tensor's chunks have the forms of the sample's
/// devices[device]. Kept bytes and the index are not in it.
LoadWork sampled_work(const ModelSource& source, const PackPlan& plan, const ChunkSample& sample,
                      size_t device, const TargetDevice& rates);

/// Chooses by modelled load time; up to 1 % of it is given up for less decoding. devices[first + i]
/// of the sample are weighted_devices()[i] of `device`.
DeviceRecipe choose_device_recipe(const ModelSource& source, const PackPlan& plan,
                                  const ChunkSample& sample, size_t first,
                                  const TargetDevice& device);

/// All of it: takes a sample and chooses. Depends on the model, the device, the filter and the
/// least gain alone, not on the number of threads.
Result<DeviceRecipe> find_device_recipe(const ModelSource& source, const PackPlan& plan,
                                        const TargetDevice& device, SampleOptions options,
                                        std::stop_token stop);

}  // namespace qload
