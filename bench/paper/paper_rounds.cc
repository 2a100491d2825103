#include "bench/paper/paper_rounds.h"

#include <algorithm>
#include <array>
#include <utility>

#include "bench/load/cold_cache.h"
#include "bench/load/round_order.h"
#include "bench/load/run_setting.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

/// The paper's name of a row, and the load benchmark's of what it does.
struct WholeRow {
  std::string_view row;
  std::string_view contender;
};
constexpr std::array kWholeRows = {
    WholeRow{"mmap-before", "mmap"},
    WholeRow{"mmap-after", "mmap-after"},
    WholeRow{"read-before", "read-1"},
    WholeRow{"read-after", "read-after"},
    WholeRow{"odirect-uring", "odirect-uring"},
    WholeRow{"qload", "qload"},
};

Status check_entry(const PaperRounds& rounds, PaperEntry& entry) {
  if (entry.stream == nullptr) return check_answer(*entry.contender, rounds.model.source);
  entry.stream->compare_everything(true);
  Status checked = entry.stream->load();
  entry.stream->compare_everything(false);
  entry.stream->release();
  return checked;
}

Result<RunSample> run_once(const PaperRounds& rounds, PaperEntry& entry, Throttle* throttle) {
  const std::vector<std::filesystem::path> files = entry.contender->files();
  QLOAD_CHECK(drop_cached(files, ColdMethod::kAdvise));
  QLOAD_CHECK(settle_memory(rounds.settle_bytes, rounds.threads));
  QLOAD_TRY(const double cached, cached_share(files));
  if (throttle != nullptr) QLOAD_CHECK(throttle->drain());
  QLOAD_TRY(RunSample run, time_load(*entry.contender, rounds.model.source, rounds.sample));
  run.cached_share = cached;
  return run;
}

}  // namespace

std::vector<PaperEntry> make_whole_entries(const BenchModel& model,
                                           const ContenderOptions& options) {
  std::vector<PaperEntry> entries;
  for (const WholeRow& row : kWholeRows) {
    const auto kinds = all_contenders();
    const auto kind = std::ranges::find(kinds, row.contender, &ContenderKind::name);
    if (kind == kinds.end()) continue;
    entries.push_back({.row = std::string(row.row),
                       .description = std::string(kind->description),
                       .plain = kind->input == ContenderInput::kPlain,
                       .contender = kind->make(model, options)});
  }
  return entries;
}

std::vector<PaperEntry> make_stream_entries(const BenchModel& model, const StreamPlan& plan,
                                            const ContenderOptions& options) {
  std::vector<PaperEntry> entries;
  for (const StreamKind& kind : all_stream_kinds()) {
    std::unique_ptr<StreamContender> contender = kind.make(model, plan, options);
    StreamContender* stream = contender.get();
    entries.push_back({.row = std::string(kind.row),
                       .description = std::string(kind.description),
                       .plain = kind.plain,
                       .contender = std::move(contender),
                       .stream = stream});
  }
  return entries;
}

size_t row_count(bool stream_only) {
  return stream_only ? all_stream_kinds().size() : kWholeRows.size();
}

Status check_entries(PaperRounds& rounds, PaperProgress& progress) {
  for (PaperEntry& entry : rounds.entries) {
    progress.show(rounds.name, text("check ", entry.row));
    Status checked = check_entry(rounds, entry);
    if (checked.ok()) continue;
    if (checked.error().code() != ErrorCode::kUnsupported) return checked.error().at(entry.row);
    entry.left_out = checked.error().message();
    entry.contender->release();
  }
  return Ok{};
}

Result<std::vector<ContenderResult>> run_rounds(PaperRounds& rounds, Throttle* throttle,
                                                PaperProgress& progress) {
  std::vector<ContenderResult> results;
  for (const PaperEntry& entry : rounds.entries) {
    results.push_back({.name = entry.row,
                       .description = entry.description,
                       .plain = entry.plain,
                       .left_out = entry.left_out,
                       .runs = {}});
  }
  for (uint32_t round = 0; round < rounds.runs; ++round) {
    for (const size_t number : order_of_round(rounds.entries.size(), round)) {
      PaperEntry& entry = rounds.entries[number];
      if (!entry.left_out.empty()) continue;
      progress.start_load(rounds.name,
                          text("round ", round + 1, " of ", rounds.runs, ", ", entry.row));
      auto run = run_once(rounds, entry, throttle);
      if (!run) return run.error().at(entry.row);
      results[number].runs.push_back(std::move(*run));
      progress.end_load(rounds.model.plain_bytes);
    }
  }
  return results;
}

}  // namespace qload::bench
