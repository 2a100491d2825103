#include "bench/load/load_benchmark.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "bench/load/fresh_memory.h"
#include "bench/load/model_forms.h"
#include "bench/load/progress_line.h"
#include "bench/load/round_order.h"
#include "bench/load/scratch_directory.h"
#include "bench/load/throttle.h"
#include "bench/load/timed_run.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

// The roofline's copy of the container takes at most this share of the memory available, as its
// decoded form and a load's destination need room at the same time.
constexpr uint64_t kRooflineMemoryShare = 5;

struct Entry {
  const ContenderKind* kind;
  std::unique_ptr<Contender> contender;
  std::string left_out;
};

// Everything the rounds need, made in order: forms, checked contenders, roofline, throttle.
struct Bench {
  const LoadBenchmarkOptions& options;
  MadeForms forms;
  AnswerSample sample;
  std::vector<Entry> entries;
  std::unique_ptr<Roofline> roofline;
  std::unique_ptr<Throttle> throttle;
  ProgressLine progress;
  uint64_t settle_bytes_max = 0;
};

Result<std::vector<Entry>> choose_contenders(const std::vector<std::string>& names) {
  std::vector<Entry> entries;
  for (const std::string& name : names) {
    const auto kinds = all_contenders();
    if (std::none_of(kinds.begin(), kinds.end(), [&](auto& kind) { return kind.name == name; })) {
      return Error(ErrorCode::kInvalidArgument, text("there is no contender ", quote(name)));
    }
  }
  for (const ContenderKind& kind : all_contenders()) {
    const bool chosen = names.empty()
                            ? kind.standard
                            : std::find(names.begin(), names.end(), kind.name) != names.end();
    if (chosen) entries.push_back({.kind = &kind, .contender = nullptr, .left_out = {}});
  }
  return entries;
}

bool any_reads(const std::vector<Entry>& entries, ContenderInput input) {
  return std::any_of(entries.begin(), entries.end(),
                     [&](const Entry& entry) { return entry.kind->input == input; });
}

// A machine without O_DIRECT or io_uring leaves the contender out and says so.
Status check_contenders(Bench& bench) {
  for (Entry& entry : bench.entries) {
    bench.progress.show(text("check ", entry.kind->name));
    entry.contender = entry.kind->make(*bench.forms.model, bench.options.contender);
    Status checked = check_answer(*entry.contender, bench.forms.model->source);
    if (checked.ok()) continue;
    if (checked.error().code() != ErrorCode::kUnsupported) {
      return checked.error().at(entry.kind->name);
    }
    entry.left_out = checked.error().message();
    entry.contender->release();
  }
  return Ok{};
}

Status prepare_cache(const Bench& bench, const std::vector<std::filesystem::path>& files,
                     bool cold) {
  return cold ? drop_cached(files, bench.options.cold_method) : fill_cache(files);
}

// Uses and frees as much memory as a load needs. A hypervisor takes back memory that has been free
// for a while (free page reporting), and its return costs a fault at the host for every page: up
// to ten times the load, charged to whoever runs after a pause. Memory of a device has no such
// cost, so each run starts from memory that is really there.
Status settle_memory(Bench& bench) {
  const BenchModel& model = *bench.forms.model;
  const uint64_t needed = 2 * model.plain_bytes + model.compressed_bytes;
  QLOAD_TRY(const FreshMemory memory,
            FreshMemory::allocate(std::min(needed, bench.settle_bytes_max), true));
  populate_parallel(memory.bytes(), bench.options.contender.threads);
  return Ok{};
}

Result<RunSample> run_once(Bench& bench, Entry& entry, bool cold) {
  const std::vector<std::filesystem::path> files = entry.contender->files();
  QLOAD_CHECK(prepare_cache(bench, files, cold));
  QLOAD_CHECK(settle_memory(bench));
  QLOAD_TRY(const double cached, cached_share(files));
  if (bench.throttle) QLOAD_CHECK(bench.throttle->drain());
  QLOAD_TRY(RunSample run, time_load(*entry.contender, bench.forms.model->source, bench.sample));
  run.cached_share = cached;
  return run;
}

// The roofline beside one load, so that both see the same machine.
Status measure_pair(Bench& bench, double load_seconds, TemperatureResult& result) {
  QLOAD_CHECK(settle_memory(bench));
  if (bench.throttle) QLOAD_CHECK(bench.throttle->drain());
  QLOAD_TRY(RooflinePair pair, bench.roofline->measure(!result.cold));
  pair.load_seconds = load_seconds;
  result.pairs.push_back(pair);
  return Ok{};
}

Status run_round(Bench& bench, uint32_t round, TemperatureResult& result) {
  for (const size_t number : order_of_round(bench.entries.size(), round)) {
    Entry& entry = bench.entries[number];
    if (!entry.left_out.empty()) continue;
    bench.progress.show(text(result.cold ? "cold " : "warm ", round + 1, "/", bench.options.runs,
                             " ", entry.kind->name));
    auto run = run_once(bench, entry, result.cold);
    if (!run) return run.error().at(entry.kind->name);
    result.contenders[number].runs.push_back(*run);
    if (bench.roofline && entry.kind->name == "qload") {
      QLOAD_CHECK(measure_pair(bench, run->seconds, result));
    }
  }
  return Ok{};
}

Result<TemperatureResult> run_temperature(Bench& bench, bool cold) {
  TemperatureResult result;
  result.cold = cold;
  for (const Entry& entry : bench.entries) {
    result.contenders.push_back({.name = std::string(entry.kind->name),
                                 .description = std::string(entry.kind->description),
                                 .plain = entry.kind->input == ContenderInput::kPlain,
                                 .left_out = entry.left_out,
                                 .runs = {}});
  }
  for (uint32_t round = 0; round < bench.options.runs; ++round) {
    QLOAD_CHECK(run_round(bench, round, result));
  }
  return result;
}

LoadReport describe(const Bench& bench) {
  const LoadBenchmarkOptions& options = bench.options;
  const BenchModel& model = *bench.forms.model;
  LoadReport report;
  report.machine = describe_machine(options.model);
  report.model = options.model.filename().string();
  report.tensor_count = model.source.tensors().size();
  report.file_count = model.source.files().size();
  report.tensor_bytes = model.tensor_bytes;
  report.plain_bytes = model.plain_bytes;
  report.compressed_bytes = model.compressed_bytes;
  report.packed_bytes = model.packed_bytes;
  report.pack_seconds = bench.forms.pack_seconds;
  report.threads = options.contender.threads;
  report.runs = options.runs;
  report.huge_pages = options.contender.huge_pages;
  report.cold_method =
      options.cold_method == ColdMethod::kAdvise
          ? "posix_fadvise(DONTNEED) of each contender's files, checked by mincore"
          : "posix_fadvise(DONTNEED) and /proc/sys/vm/drop_caches, checked by mincore";
  return report;
}

// After the roofline's sweep, before the throttle: S is chosen on the bare device.
Result<std::unique_ptr<Roofline>> make_roofline(Bench& bench, LoadReport& report) {
  const bool wanted = bench.options.roofline &&
                      std::any_of(bench.entries.begin(), bench.entries.end(), [](auto& entry) {
                        return entry.kind->name == "qload" && entry.left_out.empty();
                      });
  if (!wanted) return std::unique_ptr<Roofline>();
  bench.progress.show("sweep of read sizes and depths");
  QLOAD_TRY(auto roofline,
            Roofline::create(bench.forms.model->packed,
                             {.threads = bench.options.contender.threads,
                              .memory_bytes_max =
                                  report.machine.memory_available_bytes / kRooflineMemoryShare}));
  report.sweep_shape = roofline->shape();
  report.sweep_rate = roofline->sweep_rate();
  report.sweep_method = roofline->method();
  report.roofline_huge_pages = roofline->huge_pages();
  report.roofline_sampled_share = roofline->sampled_share();
  return roofline;
}

}  // namespace

Result<LoadReport> run_load_benchmark(const LoadBenchmarkOptions& options,
                                      InterruptGuard& interrupts) {
  QLOAD_TRY(std::vector<Entry> entries, choose_contenders(options.contenders));
  QLOAD_TRY(
      const ScratchDirectory scratch,
      ScratchDirectory::create(
          options.scratch.empty() ? model_directory(options.model) : options.scratch, interrupts));
  Bench bench{.options = options, .entries = std::move(entries)};
  bench.progress.show("pack and compress the model");
  QLOAD_TRY(bench.forms,
            make_forms(options.model,
                       {.compressed = any_reads(bench.entries, ContenderInput::kCompressed),
                        .packed = any_reads(bench.entries, ContenderInput::kPacked),
                        .packed_path = options.packed,
                        .scratch = scratch.path(),
                        .threads = options.contender.threads}));
  QLOAD_TRY(bench.sample, AnswerSample::create(bench.forms.model->source));
  QLOAD_CHECK(check_contenders(bench));
  LoadReport report = describe(bench);
  bench.settle_bytes_max = report.machine.memory_available_bytes / 2;
  QLOAD_TRY(bench.roofline, make_roofline(bench, report));
  if (options.throttle_rate > 0) {
    bench.progress.show("throttle");
    QLOAD_TRY(bench.throttle, Throttle::create(scratch.path(), options.throttle_rate, interrupts));
    report.throttle = bench.throttle->description();
    report.throttle_rate = options.throttle_rate;
    report.throttle_measured_rate = bench.throttle->measured_rate();
  }
  for (const bool cold : {true, false}) {
    if (cold ? !options.cold : !options.warm) continue;
    QLOAD_TRY(TemperatureResult result, run_temperature(bench, cold));
    report.temperatures.push_back(std::move(result));
  }
  return report;
}

}  // namespace qload::bench
