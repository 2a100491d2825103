// Storage, as the loader's read engines find it.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

#include "bench/calibrate/calibration.h"
#include "bench/load/throttle.h"
#include "qload/result.h"

namespace qload::bench {

struct StorageRatesJob {
  std::filesystem::path file;    ///< Written and synced.
  uint32_t threads = 1;          ///< That read from the page cache.
  Throttle* throttle = nullptr;  ///< Null: none. Drained before each measurement.
  bool quick = false;
  std::function<void(std::string_view)> on_step;
};

/// Sweeps sizes and depths, then measures the best again, cold buffered reads, single reads and the
/// page cache. Works without O_DIRECT, then dropping the file from the page cache before each
/// measurement, and without io_uring.
Result<StorageCalibration> measure_storage(const StorageRatesJob& job);

}  // namespace qload::bench
