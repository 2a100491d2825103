// Checked, then timed in turns: the loads of one model.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/load/bench_report.h"
#include "bench/load/contender.h"
#include "bench/load/throttle.h"
#include "bench/load/timed_run.h"
#include "bench/paper/paper_progress.h"
#include "bench/paper/stream_contenders.h"
#include "qload/result.h"

namespace qload::bench {

/// One row of the table.
struct PaperEntry {
  std::string row;
  std::string description;
  bool plain = false;
  std::unique_ptr<Contender> contender;
  StreamContender* stream = nullptr;  ///< The contender, when it streams.
  std::string left_out;               ///< Why this machine cannot run it.
};

/// A model ready to be loaded. `sample` is empty for contenders that stream: they check themselves.
struct PaperRounds {
  std::string name;
  const BenchModel& model;
  AnswerSample sample;
  std::vector<PaperEntry> entries;
  uint32_t threads = 1;
  uint32_t runs = 1;
  uint64_t settle_bytes = 0;  ///< Memory used and freed before each load.
};

/// The rows of the table for a model that is loaded whole, and for one that is streamed.
std::vector<PaperEntry> make_whole_entries(const BenchModel& model,
                                           const ContenderOptions& options);
std::vector<PaperEntry> make_stream_entries(const BenchModel& model, const StreamPlan& plan,
                                            const ContenderOptions& options);

/// How many rows a model has.
size_t row_count(bool stream_only);

/// Loads once by every row and compares every byte. An entry that needs what this machine lacks is
/// marked left out.
Status check_entries(PaperRounds& rounds, PaperProgress& progress);

/// The timed rounds, each with a cold page cache and in an order of its own.
Result<std::vector<ContenderResult>> run_rounds(PaperRounds& rounds, Throttle* throttle,
                                                PaperProgress& progress);

}  // namespace qload::bench
