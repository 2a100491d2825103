// The load benchmark: every contender on one model, checked, then timed in turns.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/load/bench_interrupt.h"
#include "bench/load/bench_report.h"
#include "bench/load/cold_cache.h"
#include "bench/load/contender.h"
#include "qload/result.h"

namespace qload::bench {

struct LoadBenchmarkOptions {
  std::filesystem::path model;
  std::filesystem::path packed;   ///< Empty: packed into scratch.
  std::filesystem::path scratch;  ///< Where the scratch directory is made; empty: beside the model.
  std::vector<std::string> contenders;  ///< Names; empty: the standard ones.
  uint32_t runs = 7;
  bool cold = true;
  bool warm = true;
  bool roofline = true;
  double roofline_seconds = 0;  ///< Of reading for each measurement of S; 0: the whole container.
  uint64_t throttle_rate = 0;   ///< Bytes per second; 0: none.
  ColdMethod cold_method = ColdMethod::kAdvise;
  ContenderOptions contender = {};
};

/// Runs it. kInvalidArgument for an unknown contender; kCorrupt when an answer is wrong.
Result<LoadReport> run_load_benchmark(const LoadBenchmarkOptions& options,
                                      InterruptGuard& interrupts);

}  // namespace qload::bench
