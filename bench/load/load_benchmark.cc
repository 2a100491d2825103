#include "bench/load/load_benchmark.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "bench/load/model_forms.h"
#include "bench/load/progress_line.h"
#include "bench/load/round_order.h"
#include "bench/load/run_setting.h"
#include "bench/load/scratch_directory.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

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

RunSetting setting_of(const Bench& bench, bool cold) {
  return {.cold = cold,
          .cold_method = bench.options.cold_method,
          .threads = bench.options.contender.threads,
          .throttle = bench.throttle.get()};
}

Status run_round(Bench& bench, uint32_t round, TemperatureResult& result) {
  const RunSetting setting = setting_of(bench, result.cold);
  for (const size_t number : order_of_round(bench.entries.size(), round)) {
    Entry& entry = bench.entries[number];
    if (!result.contenders[number].left_out.empty()) continue;
    bench.progress.show(text(result.cold ? "cold " : "warm ", round + 1, "/", bench.options.runs,
                             " ", entry.kind->name));
    const BenchModel& model = *bench.forms.model;
    auto run = run_contender(*entry.contender, model, bench.sample, setting);
    if (!run) return run.error().at(entry.kind->name);
    result.contenders[number].runs.push_back(*run);
    if (bench.roofline && entry.kind->name == "qload") {
      QLOAD_TRY(const RooflinePair pair,
                measure_beside(*bench.roofline, run->seconds, model, setting));
      result.pairs.push_back(pair);
    }
  }
  return Ok{};
}

Result<TemperatureResult> run_temperature(Bench& bench, bool cold) {
  TemperatureResult result;
  result.cold = cold;
  for (const Entry& entry : bench.entries) {
    result.contenders.push_back(
        {.name = std::string(entry.kind->name),
         .description = std::string(entry.kind->description),
         .plain = entry.kind->input == ContenderInput::kPlain && !entry.kind->warm_only,
         .left_out = cold && entry.kind->warm_only ? "it measures the page cache: warm only"
                                                   : entry.left_out,
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
            Roofline::create(
                bench.forms.model->packed,
                {.threads = bench.options.contender.threads,
                 .memory_bytes_max = report.machine.memory_available_bytes / kRooflineMemoryShare,
                 .storage_seconds_max = bench.options.roofline_seconds}));
  report.sweep_shape = roofline->shape();
  report.sweep_rate = roofline->sweep_rate();
  report.sweep_method = roofline->method();
  report.roofline_seconds_max = bench.options.roofline_seconds;
  report.roofline_huge_pages = roofline->huge_pages();
  report.roofline_sampled_share = roofline->sampled_share();
  return roofline;
}

}  // namespace

Result<LoadReport> run_load_benchmark(const LoadBenchmarkOptions& options,
                                      InterruptGuard& interrupts) {
  QLOAD_TRY(std::vector<Entry> entries, choose_contenders(options.contenders));
  QLOAD_CHECK(require_model(options.model));
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
