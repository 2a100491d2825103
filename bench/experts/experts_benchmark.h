// The experts benchmark: a mixture of experts in less memory than it has weights.
#pragma once

#include <cstdint>
#include <filesystem>

#include "bench/experts/experts_report.h"
#include "bench/load/bench_interrupt.h"
#include "bench/load/cold_cache.h"
#include "qload/options.h"
#include "qload/result.h"

namespace qload::bench {

struct ExpertsOptions {
  MoeShape shape;
  uint32_t tokens = 64;
  uint32_t active = 2;    ///< Experts of each layer that a token uses.
  double exponent = 1.0;  ///< Of Zipf's law.
  double budget = 0.25;   ///< Of the decoded model: what the cache may take, staging included.
  uint32_t runs = 3;
  uint64_t throttle_rate = 0;  ///< Bytes per second; 0: none.
  bool memory_limit = true;    ///< By a control group, where there may be one.
  ColdMethod cold_method = ColdMethod::kAdvise;
  std::filesystem::path scratch;  ///< For model and container; empty: the system's place for such.
  LoaderOptions loader = {};      ///< decode_threads is set.
};

/// Runs it. kCorrupt when a tensor does not have its digest, or when the cache without hints does
/// not hit exactly what an ideal one does.
Result<ExpertsReport> run_experts_benchmark(const ExpertsOptions& options,
                                            InterruptGuard& interrupts);

}  // namespace qload::bench
