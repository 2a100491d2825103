// What a load benchmark found, and its three forms: a table, Markdown, JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "bench/load/machine.h"
#include "bench/load/process_usage.h"
#include "bench/load/report_table.h"
#include "bench/load/roofline.h"
#include "bench/load/spread.h"
#include "qload/options.h"

namespace qload::bench {

/// One timed load.
struct RunSample {
  double seconds = 0;
  ProcessUsage usage = {};  ///< Of load() alone.
  uint64_t peak_bytes = 0;  ///< Resident memory beyond what was there before.
  double cached_share = 0;  ///< Of the files it reads, just before.
  std::optional<LoadStatistics> statistics;
};

struct ContenderResult {
  std::string name;
  std::string description;
  bool plain = false;    ///< Loads the uncompressed file.
  std::string left_out;  ///< Why it did not run; empty: it ran.
  std::vector<RunSample> runs;
};

struct TemperatureResult {
  bool cold = false;
  std::vector<ContenderResult> contenders;
  std::vector<RooflinePair> pairs;  ///< Beside the runs of "qload".
};

struct LoadReport {
  Machine machine;
  std::string model;
  uint64_t tensor_count = 0;
  uint64_t file_count = 0;
  uint64_t tensor_bytes = 0;
  uint64_t plain_bytes = 0;
  uint64_t compressed_bytes = 0;  ///< 0: not made.
  uint64_t packed_bytes = 0;      ///< 0: not made.
  double pack_seconds = 0;        ///< 0: packed beforehand.
  uint32_t threads = 0;
  uint32_t runs = 0;
  bool huge_pages = false;
  std::string cold_method;
  std::string throttle;        ///< Empty: none.
  uint64_t throttle_rate = 0;  ///< As asked.
  double throttle_measured_rate = 0;
  ReadShape sweep_shape;
  double sweep_rate = 0;  ///< 0: no roofline.
  std::string sweep_method;
  bool roofline_huge_pages = false;
  double roofline_sampled_share = 1;
  double roofline_seconds_max = 0;  ///< Of each measurement of S; 0: the whole container.
  std::vector<TemperatureResult> temperatures;
};

/// Figures of one contender as the reports print them.
struct ContenderSummary {
  Spread seconds;
  Spread cpu_seconds;
  double decoded_rate = 0;  ///< Decoded bytes per second, of the median run.
  double speed_up = 0;      ///< Median over rounds of read-1's time / its time; 0: no read-1.
  uint64_t peak_bytes = 0;  ///< Largest.
  double cached_share = 0;  ///< Largest before a cold run, smallest before a warm one.
  size_t median_run = 0;
};
ContenderSummary summarize(const LoadReport& report, const TemperatureResult& temperature,
                           const ContenderResult& contender);

/// "qload" against the plain contender with the lowest median; nothing when either is missing.
struct BestPlain {
  std::string name;
  double speed_up = 0;  ///< Median over rounds.
};
std::optional<BestPlain> compare_with_best_plain(const TemperatureResult& temperature);

enum class ReportDetail : uint8_t {
  kTimes,
  kStages,  ///< Also print_stages for each temperature.
};
void print_report(const LoadReport& report, TableStyle style, ReportDetail detail,
                  std::ostream& out);
std::string report_to_json(const LoadReport& report);

}  // namespace qload::bench
