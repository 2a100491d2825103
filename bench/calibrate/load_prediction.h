// A device profile put to the test: loads as predicted and as measured.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/load/bench_interrupt.h"
#include "bench/load/spread.h"
#include "format/pack/cost_model.h"
#include "qload/options.h"
#include "qload/result.h"
#include "tools/profile/device_profile.h"

namespace qload::bench {

struct PredictionOptions {
  std::filesystem::path container;
  std::vector<uint64_t> throttle_rates;  ///< Bytes per second; 0: storage as it is.
  std::filesystem::path scratch;  ///< For a throttle's own file; empty: beside the container.
  uint32_t runs = 3;
};

struct LoadPrediction {
  uint64_t throttle_rate = 0;
  LoadTime predicted;
  Spread measured_seconds;
  LoadStatistics statistics;  ///< Of the last load.
  /// Above 1: the load was faster than predicted.
  double ratio() const { return predicted.total() / measured_seconds.median; }
};

/// Loads the container cold, `runs` times at each rate, with the profile's number of threads. At a
/// throttled rate storage counts as the slower of the profile's and the throttle's.
Result<std::vector<LoadPrediction>> check_prediction(const tools::DeviceProfile& profile,
                                                     const PredictionOptions& options,
                                                     InterruptGuard& interrupts);

}  // namespace qload::bench
