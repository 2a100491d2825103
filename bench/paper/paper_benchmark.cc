#include "bench/paper/paper_benchmark.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "bench/load/fresh_memory.h"
#include "bench/load/model_forms.h"
#include "bench/load/parallel.h"
#include "bench/load/scratch_directory.h"
#include "bench/load/throttle.h"
#include "bench/paper/model_room.h"
#include "bench/paper/paper_model.h"
#include "bench/paper/paper_progress.h"
#include "bench/paper/paper_rounds.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "qload/model.h"

namespace qload::bench {
namespace {

/// A model that was asked for: what it is, where it lies already, why it will not run.
struct Candidate {
  PaperModel model;
  std::filesystem::path found;  ///< Its uncompressed file; empty: to be made.
  std::string left_out;
};

struct Bench {
  const PaperOptions& options;
  ContenderOptions contender;
  const std::filesystem::path scratch;
  InterruptGuard& interrupts;
  PaperReport report;
  PaperProgress progress = {};

  /// Where a model's files are made.
  std::filesystem::path folder_of(const std::string& name) const {
    return (options.keep ? options.directory : scratch) / name;
  }
};

std::filesystem::path find_made(const PaperOptions& options, const PaperModel& model) {
  const std::filesystem::path found = find_paper_model(options.directory, model);
  return found.empty() ? find_paper_model(options.directory / model.name, model) : found;
}

// Models one after the other: what is not kept makes room for the next.
Result<std::vector<Candidate>> choose_models(const PaperOptions& options) {
  std::vector<Candidate> candidates;
  QLOAD_TRY(Room available, room_available(options.directory));
  for (const std::string& name : options.models) {
    QLOAD_TRY(PaperModel model, describe_paper_model(name));
    Candidate candidate{.model = std::move(model), .found = {}, .left_out = {}};
    candidate.found = find_made(options, candidate.model);
    const Room needed = room_needed({.plain_bytes = candidate.model.plain_bytes(),
                                     .piece_bytes_max = candidate.model.piece_bytes_max,
                                     .plain_exists = !candidate.found.empty(),
                                     .compressed = !options.stream_only,
                                     .stream_only = options.stream_only});
    candidate.left_out = why_no_room(needed, available);
    if (candidate.left_out.empty() && options.keep) available.disk_bytes -= needed.disk_bytes;
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

/// A folder without what an earlier run left of the forms that are made anew.
Status make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  for (const char* form : {"compressed.0", "model.qpk"}) {
    if (!error) std::filesystem::remove(folder / form, error);
  }
  if (!error) return Ok{};
  return Error(ErrorCode::kIo, text(folder.string(), ": ", error.message()));
}

/// The uncompressed file: found, or made.
Result<std::filesystem::path> make_plain(Bench& bench, const Candidate& candidate,
                                         PaperResult& result) {
  const std::string& name = candidate.model.name;
  result.reused = !candidate.found.empty();
  if (result.reused) return candidate.found;
  const std::filesystem::path path = bench.folder_of(name) / text(name, ".safetensors");
  const double start = now_seconds();
  QLOAD_CHECK(make_paper_model(
      path, candidate.model, bench.contender.threads, [&](uint64_t done, uint64_t total) {
        bench.progress.show(name, text("generate ", total > 0 ? 100 * done / total : 0, " %"));
      }));
  result.make_seconds = now_seconds() - start;
  return path;
}

Result<MadeForms> prepare_forms(Bench& bench, const Candidate& candidate, PaperResult& result) {
  const std::string& name = candidate.model.name;
  QLOAD_CHECK(make_folder(bench.folder_of(name)));
  QLOAD_TRY(const std::filesystem::path plain, make_plain(bench, candidate, result));
  bench.progress.show(name, "pack and compress");
  QLOAD_TRY(MadeForms forms, make_forms(plain, {.compressed = !bench.options.stream_only,
                                                .packed = true,
                                                .packed_path = {},
                                                .scratch = bench.folder_of(name),
                                                .threads = bench.contender.threads}));
  result.tensor_count = forms.model->source.tensors().size();
  result.tensor_bytes = forms.model->tensor_bytes;
  result.plain_bytes = forms.model->plain_bytes;
  result.compressed_bytes = forms.model->compressed_bytes;
  result.packed_bytes = forms.model->packed_bytes;
  result.pack_seconds = forms.pack_seconds;
  return forms;
}

Result<std::unique_ptr<Throttle>> make_throttle(Bench& bench, PaperResult& result) {
  if (bench.options.rate == 0) return std::unique_ptr<Throttle>();
  bench.progress.show(result.name, "throttle");
  // A folder for each model: the throttle's own file is made anew.
  const std::filesystem::path folder = bench.scratch / text(result.name, ".throttle");
  QLOAD_CHECK(make_folder(folder));
  QLOAD_TRY(auto throttle, Throttle::create(folder, bench.options.rate, bench.interrupts));
  bench.report.throttle = throttle->description();
  result.throttle_measured_rate = throttle->measured_rate();
  return throttle;
}

uint64_t load_bytes_of(const Bench& bench, const Candidate& candidate, size_t rows) {
  return candidate.model.plain_bytes() * rows * bench.options.runs;
}

Status run_model(Bench& bench, const Candidate& candidate, PaperResult& result) {
  QLOAD_TRY(const MadeForms forms, prepare_forms(bench, candidate, result));
  const BenchModel& model = *forms.model;
  StreamPlan plan;
  PaperRounds rounds{.name = result.name,
                     .model = model,
                     .sample = {},
                     .entries = {},
                     .threads = bench.contender.threads,
                     .runs = bench.options.runs,
                     .settle_bytes = 2 * model.plain_bytes + model.compressed_bytes};
  if (bench.options.stream_only) {
    QLOAD_TRY(const Model packed, Model::open(model.packed));
    QLOAD_TRY(plan, plan_stream(packed, model.source));
    result.piece_count = plan.pieces.size();
    result.arena_bytes = plan.arena_bytes;
    rounds.entries = make_stream_entries(model, plan, bench.contender);
  } else {
    QLOAD_TRY(rounds.sample, AnswerSample::create(model.source));
    rounds.entries = make_whole_entries(model, bench.contender);
  }
  QLOAD_CHECK(check_entries(rounds, bench.progress));
  for (const PaperEntry& entry : rounds.entries) {
    if (!entry.left_out.empty()) {
      bench.progress.expect(-static_cast<int64_t>(load_bytes_of(bench, candidate, 1)));
    }
  }
  QLOAD_TRY(const auto throttle, make_throttle(bench, result));
  QLOAD_TRY(result.rows, run_rounds(rounds, throttle.get(), bench.progress));
  return Ok{};
}

}  // namespace

Status check_rate_allowed(uint64_t rate, uid_t user) {
  if (rate == 0 || user == 0) return Ok{};
  return Error(ErrorCode::kUnsupported,
               text("--rate ", rate,
                    " limits reads by a control group, which needs root: run as root, or without "
                    "--rate to measure the storage as it is"));
}

Result<PaperReport> run_paper_benchmark(const PaperOptions& options, InterruptGuard& interrupts) {
  QLOAD_CHECK(check_rate_allowed(options.rate, geteuid()));
  QLOAD_TRY(const std::vector<Candidate> candidates, choose_models(options));
  if (options.rate > 0) {
    // Known before hours of work, not after.
    QLOAD_TRY([[maybe_unused]] const std::string disk, find_disk(options.directory));
  }
  QLOAD_TRY(const ScratchDirectory scratch,
            ScratchDirectory::create(options.directory, interrupts));
  Bench bench{.options = options,
              .contender = {.huge_pages = huge_pages_available()},
              .scratch = scratch.path(),
              .interrupts = interrupts,
              .report = {}};
  bench.contender.threads = options.threads == 0 ? available_processors() : options.threads;
  bench.contender.loader.decode_threads = bench.contender.threads;
  bench.report.machine = describe_machine(options.directory);
  bench.report.threads = bench.contender.threads;
  bench.report.runs = options.runs;
  bench.report.huge_pages = bench.contender.huge_pages;
  bench.report.stream_only = options.stream_only;
  bench.report.rate = options.rate;
  const size_t rows = row_count(options.stream_only);
  for (const Candidate& candidate : candidates) {
    if (!candidate.left_out.empty()) continue;
    bench.progress.expect(static_cast<int64_t>(load_bytes_of(bench, candidate, rows)));
  }
  for (const Candidate& candidate : candidates) {
    PaperResult result{.name = candidate.model.name, .left_out = candidate.left_out};
    result.plain_bytes = candidate.model.plain_bytes();
    if (result.left_out.empty()) {
      Status ran = run_model(bench, candidate, result);
      if (!ran.ok()) return ran.error().at(result.name);
      std::error_code ignored;
      if (!options.keep) std::filesystem::remove_all(bench.folder_of(result.name), ignored);
    }
    bench.report.models.push_back(std::move(result));
  }
  return std::move(bench.report);
}

}  // namespace qload::bench
