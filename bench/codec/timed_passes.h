// One measurement: the same work over and over for a while, by two clocks.
#pragma once

#include <cstdint>
#include <functional>

#include "qload/result.h"

namespace qload::bench {

/// What a measurement took.
struct PassSample {
  uint64_t passes = 0;
  double cpu_seconds = 0;   ///< Processor time of the thread: what a shared machine leaves true.
  double wall_seconds = 0;  ///< Of all threads together, first start to last end.
};

/// Runs `pass` once untimed, so that everybody starts with his own bytes in the caches, then until
/// `seconds_min` of processor time have passed. The first error ends it.
Result<PassSample> time_passes(const std::function<Status()>& pass, double seconds_min);

/// Processor time of the calling thread.
double thread_cpu_seconds();

}  // namespace qload::bench
