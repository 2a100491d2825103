// A few threads doing one thing, for contenders and measurements.
#pragma once

#include <cstdint>
#include <functional>

#include "qload/result.h"

namespace qload::bench {

/// Runs work(0) ... work(threads - 1), each on its own thread (work(0) on the caller's), and waits
/// for all. Returns the error of the lowest number that failed.
Status run_parallel(uint32_t threads, const std::function<Status(uint32_t)>& work);

/// Processors this process may use, at least 1.
uint32_t available_processors();

/// Seconds on the steady clock, from an arbitrary start.
double now_seconds();

}  // namespace qload::bench
