// The sweep: cold loads of one container by every combination of staging memory, decode threads and
// storage rate, in turns, each beside its roofline.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "bench/load/bench_interrupt.h"
#include "bench/load/cold_cache.h"
#include "bench/sweep/sweep_report.h"
#include "qload/options.h"
#include "qload/result.h"

namespace qload::bench {

struct SweepOptions {
  std::filesystem::path model;
  std::filesystem::path packed;                ///< Empty: packed into scratch.
  std::filesystem::path scratch;               ///< Empty: beside the model.
  std::vector<uint64_t> staging_bytes;         ///< Not empty.
  std::vector<uint32_t> threads;               ///< Not empty; each at least 1.
  std::vector<uint64_t> throttle_rates = {0};  ///< Bytes per second; 0: no throttle.
  uint32_t runs = 7;
  double roofline_seconds = 0;  ///< Of reading for each measurement of S; 0: the whole container.
  ColdMethod cold_method = ColdMethod::kAdvise;
  LoaderOptions loader = {};  ///< What the sweep does not set.
};

/// Runs it. A staging size that the loader refuses, and a throttle that the system refuses, is left
/// out; kUnsupported when no rate remains. kCorrupt when an answer is wrong.
Result<SweepReport> run_sweep(const SweepOptions& options, InterruptGuard& interrupts);

}  // namespace qload::bench
