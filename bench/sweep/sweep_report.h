// What a sweep found: cold loads by staging memory, threads and storage rate, in three forms.
#pragma once

#include <cstdint>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "bench/load/bench_report.h"

namespace qload::bench {

/// One combination.
struct SweepPoint {
  uint64_t staging_bytes = 0;
  uint32_t threads = 0;
  std::string left_out;             ///< Why it did not run; empty: it ran.
  std::vector<RunSample> runs;      ///< One a round.
  std::vector<RooflinePair> pairs;  ///< Beside each run.
};

/// All combinations under one throttle.
struct SweepRate {
  uint64_t throttle_rate = 0;  ///< Bytes per second, as asked; 0: none.
  double measured_rate = 0;
  std::string throttle;  ///< Method; empty: none.
  std::string left_out;  ///< Why there was no such throttle; empty: it held.
  std::vector<SweepPoint> points;
};

struct SweepReport {
  Machine machine;
  std::string model;
  uint64_t tensor_count = 0;
  uint64_t tensor_bytes = 0;
  uint64_t packed_bytes = 0;
  uint32_t runs = 0;
  std::string cold_method;
  ReadShape storage_shape;
  double storage_rate = 0;
  std::string storage_method;
  double roofline_seconds_max = 0;
  double roofline_sampled_share = 1;
  std::vector<SweepRate> rates;
};

/// The largest peak of resident memory over the runs, less what was decoded. Below zero when part
/// of the destination was resident before the load.
int64_t peak_beyond_decoded(std::span<const RunSample> runs, uint64_t decoded_bytes);

/// Median of the per-pair ratios, with their spread.
Spread efficiency_of(std::span<const RooflinePair> pairs);

void print_sweep(const SweepReport& report, TableStyle style, std::ostream& out);
std::string sweep_to_json(const SweepReport& report);

}  // namespace qload::bench
