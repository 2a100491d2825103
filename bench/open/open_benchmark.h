// The open benchmark: how long until the first tensor is there, and what an index costs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "bench/load/bench_interrupt.h"
#include "bench/load/cold_cache.h"
#include "bench/open/open_report.h"
#include "qload/options.h"
#include "qload/result.h"

namespace qload::bench {

struct OpenOptions {
  std::vector<std::filesystem::path> models;  ///< Containers.
  uint64_t tensors = 0;           ///< Of a generated model whose index cost is measured; 0: none.
  std::filesystem::path scratch;  ///< For the generated model; empty: the system's place for such.
  uint32_t runs = 15;
  ColdMethod cold_method = ColdMethod::kAdvise;
  LoaderOptions loader = {};  ///< decode_threads is set.
};

/// Runs it. kCorrupt when a loaded tensor does not have its digest.
Result<OpenReport> run_open_benchmark(const OpenOptions& options, InterruptGuard& interrupts);

}  // namespace qload::bench
