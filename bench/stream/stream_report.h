// What the stream benchmark found: passes by contender, memory and storage rate, in three forms.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "bench/load/machine.h"
#include "bench/load/report_table.h"
#include "bench/load/spread.h"
#include "bench/stream/pass_run.h"
#include "qload/stream.h"

namespace qload::bench {

/// One process's passes, and what was measured beside them.
struct StreamRun {
  PassRun passes;
  uint64_t peak_bytes = 0;  ///< Of its control group; without one, of its resident memory.
  double storage_rate = 0;  ///< Of qload's runs: the throttle's, or as measured beside them.
};

struct StreamRow {
  std::string contender;
  std::string left_out;         ///< Why it did not run, or no longer; empty: it ran.
  std::vector<StreamRun> runs;  ///< One a round.
};

/// All contenders under one limit of memory.
struct StreamPoint {
  std::string memory;        ///< As asked: "25%".
  uint64_t limit_bytes = 0;  ///< Of the control group.
  uint64_t budget_bytes = 0;
  uint64_t staging_bytes = 0;
  std::string left_out;  ///< Why there is none such; empty: it ran.
  std::vector<StreamRow> rows;
};

/// All of them under one throttle.
struct StreamRate {
  uint64_t throttle_rate = 0;  ///< Bytes per second, as asked; 0: none.
  double measured_rate = 0;
  std::string throttle;  ///< Method; empty: none.
  std::string left_out;  ///< Why there was no such throttle; empty: it held.
  StreamRates rates;     ///< What the planner was told.
  std::vector<StreamPoint> points;
};

struct StreamReport {
  Machine machine;
  std::string model;
  uint64_t tensor_count = 0;
  uint64_t layer_count = 0;
  uint64_t tensor_bytes = 0;
  uint64_t packed_bytes = 0;
  uint32_t threads = 0;
  uint32_t runs = 0;
  uint32_t passes = 0;
  double compute_seconds = 0;
  uint64_t overhead_bytes = 0;
  std::string limit_method;  ///< Empty: no limit.
  std::string rates_from;    ///< "measured", or a profile's name.
  std::vector<StreamRate> rates;

  double packing_ratio() const;  ///< Tensor bytes for each byte of the container.
};

/// Over all passes of all runs, each figure by itself.
struct PassSummary {
  Spread seconds;
  double wait_seconds = 0;
  double request_seconds = 0;
  double compute_seconds = 0;
  double bytes_read = 0;
  std::optional<double> overlap;  ///< Nothing where loading was not timed.
  double cpu_seconds_per_gb = 0;  ///< For each 1e9 decoded bytes of the model.
  uint64_t peak_bytes = 0;        ///< Largest.
  uint64_t resident_bytes = 0;
};
PassSummary summarize_passes(const StreamRow& row, uint64_t tensor_bytes);

/// qload's passes against what storage and the caller's work alone would take.
struct BoundSummary {
  StreamFacts facts;
  double bound_seconds = 0;  ///< Median over runs of max(storage bytes / rate, compute).
  Spread beyond;  ///< Over runs: share by which a pass was longer, (seconds - bound) / bound.
  double predicted_ratio = 0;  ///< facts.seconds_per_pass over the median pass.
};
/// Nothing unless the row is of a stream and has runs.
std::optional<BoundSummary> summarize_bound(const StreamRow& row);

/// The row of that contender, or null.
const StreamRow* find_row(const StreamPoint& point, std::string_view contender);

/// How much faster qload was than the fastest other: median over rounds.
struct BestOther {
  std::string contender;
  double speed_up = 0;
};
std::optional<BestOther> compare_with_best_other(const StreamPoint& point);

void print_stream_report(const StreamReport& report, TableStyle style, std::ostream& out);
std::string stream_report_to_json(const StreamReport& report);

}  // namespace qload::bench
