// What the paper benchmark found, and its forms: tables, Markdown, JSON, a chart. What is quoted
// from the paper stays apart (paper_table6.h) and is marked as such wherever it is shown.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "bench/load/bench_report.h"
#include "bench/load/machine.h"
#include "bench/load/report_table.h"
#include "bench/load/spread.h"

namespace qload::bench {

/// One model: loads by row of the table, or why there are none.
struct PaperResult {
  std::string name;
  std::string left_out;  ///< Empty: it ran.
  uint64_t tensor_count = 0;
  uint64_t tensor_bytes = 0;
  uint64_t plain_bytes = 0;
  uint64_t compressed_bytes = 0;  ///< 0: not made.
  uint64_t packed_bytes = 0;
  bool reused = false;  ///< The uncompressed file was there already.
  double make_seconds = 0;
  double pack_seconds = 0;
  uint64_t piece_count = 0;  ///< Streamed; 0: loaded whole.
  uint64_t arena_bytes = 0;
  double throttle_measured_rate = 0;
  std::vector<ContenderResult> rows;
};

struct PaperReport {
  Machine machine;
  uint32_t threads = 0;
  uint32_t runs = 0;
  bool huge_pages = false;
  bool stream_only = false;
  uint64_t rate = 0;     ///< Bytes per second, as asked; 0: not throttled.
  std::string throttle;  ///< How. Empty: not.
  std::vector<PaperResult> models;
};

/// The share of its load time that one row saves another: 1 - after / before, by round.
struct Reduction {
  std::string row;
  std::string against;
  Spread share;
  std::optional<double> quoted;  ///< Of the paper's cells.
};

/// Of the paper's two ways, then of qload against both and against the fastest plain row. What
/// lacks a row is left out.
std::vector<Reduction> reductions_of(const PaperResult& result);

/// The plain row with the lowest median; empty when none ran.
std::string fastest_plain_row(const PaperResult& result);

/// Seconds of a row's runs.
Spread seconds_of_row(const ContenderResult& row);

void print_paper_report(const PaperReport& report, TableStyle style, std::ostream& out);
std::string paper_report_to_json(const PaperReport& report);
/// An SVG document: seconds by model and row; reductions, the paper's beside ours.
std::string paper_report_to_svg(const PaperReport& report);

}  // namespace qload::bench
