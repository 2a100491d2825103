#include "bench/calibrate/load_prediction.h"

#include <algorithm>
#include <memory>

#include "bench/calibrate/cold_load.h"
#include "bench/load/progress_line.h"
#include "bench/load/scratch_directory.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/container/container_reader.h"
#include "format/pack/container_estimate.h"

namespace qload::bench {
namespace {

Result<LoadPrediction> check_at(const tools::DeviceProfile& profile, const Container& container,
                                const PredictionOptions& options, uint64_t throttle_rate,
                                InterruptGuard& interrupts) {
  LoadPrediction prediction{.throttle_rate = throttle_rate};
  TargetDevice device = profile.device;
  std::unique_ptr<ScratchDirectory> scratch;
  std::unique_ptr<Throttle> throttle;
  if (throttle_rate > 0) {
    auto parent = options.scratch;
    if (parent.empty()) parent = std::filesystem::absolute(options.container).parent_path();
    QLOAD_TRY(ScratchDirectory made, ScratchDirectory::create(parent, interrupts));
    scratch = std::make_unique<ScratchDirectory>(std::move(made));
    QLOAD_TRY(throttle, Throttle::create(scratch->path(), throttle_rate, interrupts));
    device.storage_bytes_per_second =
        std::min(device.storage_bytes_per_second, static_cast<double>(throttle_rate));
  }
  prediction.predicted = model_load(device, container_work(container, device));
  std::vector<double> seconds;
  for (uint32_t i = 0; i < options.runs; ++i) {
    QLOAD_TRY(const ColdLoad load,
              load_cold(options.container, device.decode_threads, throttle.get()));
    seconds.push_back(load.seconds);
    prediction.statistics = load.statistics;
  }
  prediction.measured_seconds = spread_of(std::move(seconds));
  return prediction;
}

}  // namespace

Result<std::vector<LoadPrediction>> check_prediction(const tools::DeviceProfile& profile,
                                                     const PredictionOptions& options,
                                                     InterruptGuard& interrupts) {
  QLOAD_TRY(File file, File::open(options.container));
  QLOAD_TRY(const Container container, read_container(std::move(file)));
  ProgressLine progress;
  std::vector<LoadPrediction> predictions;
  for (const uint64_t rate : options.throttle_rates) {
    progress.show(rate == 0 ? std::string("loads, unthrottled")
                            : text("loads at ", rate, " bytes/s"));
    QLOAD_TRY(LoadPrediction prediction, check_at(profile, container, options, rate, interrupts));
    predictions.push_back(std::move(prediction));
  }
  return predictions;
}

}  // namespace qload::bench
