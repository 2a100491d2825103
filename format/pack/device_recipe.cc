#include "format/pack/device_recipe.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "format/base/try.h"

namespace qload {
namespace {

// From where only size matters (fse against lane_huffman: 1 % of the bytes for five times the
// decoding is worth it below 0.05 on a card of 90 MB/s) to where nothing is coded. On real devices
// coding and not coding change places between 0.3 and 10.
constexpr std::array kWeights = {1.0 / 256, 1.0 / 32, 1.0 / 8, 0.25, 0.5, 1.0, 2.0, 4.0, 16.0, 1e6};

// A load may be longer by this share of the decoding that it saves, at most 1 % in all: decoding
// takes processors and energy from others, and no device is as regular as its model.
constexpr double kDecodeCost = 0.01;
// Two weights must gain more than one by so much.
constexpr double kBlendGainMin = 0.01;
// Blends that are this near each other are the same; the first one found has the least difference.
constexpr double kSameTime = 0.001;

/// A load for one weight, by parts that blend: reading, and the processors.
struct Parts {
  double read = 0;
  double decode = 0;
};

/// What is minimised.
double time_of(const Parts& parts, double touch) {
  return std::max(parts.read, parts.decode + touch) + kDecodeCost * parts.decode;
}

/// The share of `lean` at which reading and the processors take as long.
double balanced_share(const Parts& coded, const Parts& lean, double touch) {
  const double surplus = coded.decode + touch - coded.read;
  const double change = (lean.read - coded.read) + (coded.decode - lean.decode);
  return change > 0 ? std::clamp(surplus / change, 0.0, 1.0) : 0.0;
}

Parts blend(const Parts& coded, const Parts& lean, double share) {
  return {std::lerp(coded.read, lean.read, share), std::lerp(coded.decode, lean.decode, share)};
}

}  // namespace

bool DeviceRecipe::is_lean(uint64_t item) const {
  const auto number = static_cast<double>(item);
  return std::floor((number + 1) * lean_share) != std::floor(number * lean_share);
}

std::span<const double> device_weights() { return kWeights; }

std::vector<TargetDevice> weighted_devices(const TargetDevice& device) {
  std::vector<TargetDevice> devices(kWeights.size(), device);
  for (size_t i = 0; i < kWeights.size(); ++i) devices[i].decode_weight = kWeights[i];
  return devices;
}

LoadWork sampled_work(const ModelSource& source, const PackPlan& plan, const ChunkSample& sample,
                      size_t device, const TargetDevice& rates) {
  LoadWork work;
  for (const PackRun& run : plan.runs()) {
    if (run.kind == ContentKind::kKept) continue;
    work.decoded_bytes += source.tensors()[run.number].bytes;
    for (uint64_t chunk = 0; chunk < run.cut.chunk_count; ++chunk) {
      const EstimatedForm form =
          sample.estimate(run.first_item + chunk, run.cut.bytes_of(chunk), device, rates);
      work.read_bytes += form.stored_bytes;
      work.decode_seconds += form.decode_seconds;
    }
  }
  return work;
}

DeviceRecipe choose_device_recipe(const ModelSource& source, const PackPlan& plan,
                                  const ChunkSample& sample, size_t first,
                                  const TargetDevice& device) {
  std::array<Parts, kWeights.size()> all;
  double touch = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    const LoadTime time = model_load(device, sampled_work(source, plan, sample, first + i, device));
    all[i] = {time.read_seconds, time.decode_seconds};
    touch = time.touch_seconds;
  }
  size_t best = 0;
  for (size_t i = 1; i < all.size(); ++i) {
    if (time_of(all[i], touch) <= time_of(all[best], touch)) best = i;
  }
  DeviceRecipe recipe{kWeights[best], kWeights[best], 0};
  double blended = time_of(all[best], touch) * (1 - kBlendGainMin);
  for (size_t coded = 0; coded < all.size(); ++coded) {
    for (size_t lean = coded + 1; lean < all.size(); ++lean) {
      const double share = balanced_share(all[coded], all[lean], touch);
      if (share <= 0 || share >= 1) continue;
      const double seconds = time_of(blend(all[coded], all[lean], share), touch);
      if (seconds >= blended * (1 - kSameTime)) continue;
      blended = seconds;
      recipe = {kWeights[coded], kWeights[lean], share};
    }
  }
  return recipe;
}

Result<DeviceRecipe> find_device_recipe(const ModelSource& source, const PackPlan& plan,
                                        const TargetDevice& device, SampleOptions options,
                                        std::stop_token stop) {
  const std::vector<TargetDevice> devices = weighted_devices(device);
  options.devices = devices;
  QLOAD_TRY(const ChunkSample sample, ChunkSample::take(source, plan, options, std::move(stop)));
  return choose_device_recipe(source, plan, sample, 0, device);
}

}  // namespace qload
