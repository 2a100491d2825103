// Memory: its first touch, copying it, and checksums over it.
#pragma once

#include <cstdint>

#include "bench/calibrate/calibration.h"
#include "qload/result.h"

namespace qload::bench {

/// With `threads` threads; checksums with one. kOutOfMemory.
Result<MemoryCalibration> measure_memory(uint32_t threads, bool quick);

}  // namespace qload::bench
