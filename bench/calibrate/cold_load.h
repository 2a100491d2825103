// One load through the public interface, timed as a program that starts would see it.
#pragma once

#include <cstdint>
#include <filesystem>

#include "bench/load/throttle.h"
#include "qload/options.h"
#include "qload/result.h"

namespace qload::bench {

struct ColdLoad {
  double seconds = 0;  ///< Model::open, Loader::create and load; not closing.
  LoadStatistics statistics;
};

/// Drops the container from the page cache, drains `throttle` (null: none) and loads every tensor
/// with `decode_threads` threads.
Result<ColdLoad> load_cold(const std::filesystem::path& container, uint32_t decode_threads,
                           Throttle* throttle);

}  // namespace qload::bench
