// Measures everything a load's time depends on, on this machine.
#pragma once

#include "bench/calibrate/calibration.h"
#include "bench/load/bench_interrupt.h"
#include "qload/result.h"

namespace qload::bench {

/// Makes a scratch directory in options.directory and removes it at the end, on failure and on
/// interruption. Shows what it does on a terminal. kUnsupported or kIo where a throttle was asked
/// for and does not work.
Result<Calibration> calibrate_device(const CalibrationOptions& options, InterruptGuard& interrupts);

}  // namespace qload::bench
