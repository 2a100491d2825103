// What a timed run starts from: page cache, memory and throttle brought into a known state.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "bench/load/bench_report.h"
#include "bench/load/cold_cache.h"
#include "bench/load/contender.h"
#include "bench/load/throttle.h"
#include "bench/load/timed_run.h"
#include "qload/result.h"

namespace qload::bench {

struct RunSetting {
  bool cold = true;
  ColdMethod cold_method = ColdMethod::kAdvise;
  uint32_t threads = 1;
  Throttle* throttle = nullptr;  ///< Null: none.
};

/// kNotFound unless there is a file or directory at `path`.
Status require_model(const std::filesystem::path& path);

/// Uses and frees `bytes` bytes of memory, as many as a load needs, at most half of what is
/// available. A hypervisor takes back memory that has been free for a while (free page reporting),
/// and its return costs a fault at the host for every page: up to ten times the load, charged to
/// whoever runs after a pause. Memory of a device has no such cost, so each run starts from memory
/// that is really there.
Status settle_memory(uint64_t bytes, uint32_t threads);

/// Prepares the contender and the machine, then times one load.
Result<RunSample> run_contender(Contender& contender, const BenchModel& model,
                                const AnswerSample& sample, const RunSetting& setting);

/// Prepares the machine, then measures the roofline beside a load that took `load_seconds`.
Result<RooflinePair> measure_beside(Roofline& roofline, double load_seconds,
                                    const BenchModel& model, const RunSetting& setting);

}  // namespace qload::bench
