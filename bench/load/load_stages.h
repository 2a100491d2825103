// Where the time of a load goes: what it cost the process, and how long each stage waited.
#pragma once

#include <cstdint>
#include <ostream>
#include <span>

#include "bench/load/bench_report.h"
#include "bench/load/report_table.h"

namespace qload::bench {

/// Medians over a contender's runs, each figure by itself.
struct StageSummary {
  double seconds = 0;
  double user_seconds = 0;
  double system_seconds = 0;
  double cpu_seconds_per_gb = 0;  ///< User and system, for each 1e9 decoded bytes.
  double minor_faults = 0;
  double major_faults = 0;
  double voluntary_switches = 0;
  double involuntary_switches = 0;
  double storage_read_bytes = 0;
  // From LoadStatistics: 0 for contenders that have none.
  double read_wait_seconds = 0;
  double staging_wait_seconds = 0;
  double decode_busy_seconds = 0;
  double decode_wait_seconds = 0;
  double prefault_busy_seconds = 0;
  double cache_read_seconds = 0;       ///< Decode threads, copying out of the page cache.
  LoadStage bound = LoadStage::kNone;  ///< Of the run with the median time.
};
/// All zero without runs. `decoded_bytes` are those of one run.
StageSummary summarize_stages(std::span<const RunSample> runs, uint64_t decoded_bytes);

/// Two tables: costs of all contenders, stages of those that have statistics.
void print_stages(const LoadReport& report, const TemperatureResult& temperature, TableStyle style,
                  std::ostream& out);

}  // namespace qload::bench
