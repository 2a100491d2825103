// The paper's Table 6 on this machine: models made, checked, loaded in turns.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/load/bench_interrupt.h"
#include "bench/paper/paper_report.h"
#include "qload/result.h"

namespace qload::bench {

struct PaperOptions {
  std::vector<std::string> models = {"opt-1.3b", "opt-6.7b"};
  std::filesystem::path directory = ".";  ///< For models and their packed forms.
  bool keep = false;                      ///< Leave them there.
  uint64_t rate = 0;                      ///< Bytes per second of storage; 0: as it is.
  uint32_t runs = 7;
  uint32_t threads = 0;  ///< 0: one for each processor.
  bool stream_only = false;
};

/// kUnsupported when a rate is asked for and `user` may not set one.
Status check_rate_allowed(uint64_t rate, uid_t user);

/// Runs it. kInvalidArgument for an unknown model; kCorrupt when an answer is wrong. A model that
/// does not fit on the disk or in memory is left out, and the report says why.
Result<PaperReport> run_paper_benchmark(const PaperOptions& options, InterruptGuard& interrupts);

}  // namespace qload::bench
