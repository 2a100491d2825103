// What the experts benchmark found, in three forms.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "bench/experts/moe_model.h"
#include "bench/load/machine.h"
#include "bench/load/report_table.h"
#include "bench/load/spread.h"

namespace qload::bench {

/// All tokens of the trace, once, from a cold start.
struct ExpertsRun {
  double seconds = 0;
  double token_median_seconds = 0;
  uint64_t storage_bytes = 0;  ///< That came from storage (proc(5), io).
  uint64_t peak_bytes = 0;     ///< Of the memory control group; 0: there was none.
  // Of the cache; 0 for others.
  uint64_t hits = 0;
  uint64_t waited_hits = 0;
  uint64_t misses = 0;
  double wait_seconds = 0;
};

struct ExpertsRow {
  std::string name;
  bool cache = false;
  std::vector<ExpertsRun> runs;
};

struct ExpertsReport {
  Machine machine;
  MoeShape shape;
  uint32_t tokens = 0;
  uint32_t active = 0;
  double exponent = 0;
  uint32_t threads = 0;
  uint64_t container_bytes = 0;
  uint64_t budget_bytes = 0;
  uint64_t capacity_bytes = 0;  ///< Of the cache, for experts.
  uint64_t limit_bytes = 0;     ///< Of the memory control group; 0: none.
  std::string limit;            ///< What set it, or why there is none.
  uint64_t throttle_rate = 0;   ///< 0: none.
  std::string throttle;
  double measured_rate = 0;
  uint64_t ideal_hits = 0;
  uint64_t ideal_misses = 0;
  std::vector<ExpertsRow> rows;
};

/// Seconds per token of each run.
Spread token_spread(const ExpertsRow& row, uint32_t tokens);
/// How many times faster `row` is than the faster of the mmap rows: the median over rounds of
/// ratios within a round.
double speedup_over_mmap(const ExpertsReport& report, const ExpertsRow& row);

void print_experts(const ExpertsReport& report, TableStyle style, std::ostream& out);
std::string experts_to_json(const ExpertsReport& report);

}  // namespace qload::bench
