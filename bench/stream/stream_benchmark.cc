#include "bench/stream/stream_benchmark.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "bench/load/cold_cache.h"
#include "bench/load/memory_group.h"
#include "bench/load/model_forms.h"
#include "bench/load/parallel.h"
#include "bench/load/progress_line.h"
#include "bench/load/roofline.h"
#include "bench/load/round_order.h"
#include "bench/load/run_setting.h"
#include "bench/load/scratch_directory.h"
#include "bench/load/throttle.h"
#include "bench/stream/child_process.h"
#include "bench/stream/pass_child.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/pack/container_estimate.h"
#include "runtime/load/memory_budget.h"
#include "tools/profile/device_profile.h"

namespace qload::bench {
namespace {

// Everything the rounds need.
struct Benchmark {
  const StreamBenchmarkOptions& options;
  InterruptGuard& interrupts;
  std::filesystem::path scratch;
  MadeForms forms;
  std::vector<std::filesystem::path> files;  // All that contenders read.
  std::vector<std::string> contenders;
  uint32_t threads = 1;
  std::unique_ptr<Roofline> roofline;
  double compute_seconds = 0;  // Of a pass, as foreseen.
  std::string limit_method;
  ProgressLine progress;
};

/// What holds for all runs of one point.
struct PointSetting {
  StreamRates rates;
  Throttle* throttle = nullptr;
  uint64_t throttle_rate = 0;
};

Result<std::vector<std::string>> choose_contenders(const StreamBenchmarkOptions& options) {
  std::vector<std::string> names;
  for (const PassContenderKind& kind : all_pass_contenders()) names.emplace_back(kind.name);
  if (options.contenders.empty()) return names;
  for (const std::string& name : options.contenders) {
    if (find_pass_contender(name) != nullptr) continue;
    std::string known;
    for (const std::string& one : names) known += (known.empty() ? "" : ", ") + one;
    return Error(ErrorCode::kInvalidArgument,
                 text("no contender ", quote(name), "; there are ", known));
  }
  return options.contenders;
}

Result<RooflinePair> measure_rates(Benchmark& bench) {
  QLOAD_CHECK(drop_cached(bench.files, ColdMethod::kAdvise));
  return bench.roofline->measure(false, bench.threads);
}

// A throttle's own rate is what storage gives in the long run: its slices of 0.1 s are too coarse
// for a measurement of seconds.
double throttled_rate(const Benchmark& bench, const PointSetting& setting) {
  return std::min(bench.roofline->sweep_rate(), static_cast<double>(setting.throttle_rate));
}

/// A profile's rates. At a throttled rate storage counts as the slower of the two.
Result<StreamRates> rates_of_profile(const Benchmark& bench, uint64_t throttle_rate) {
  QLOAD_TRY(const tools::DeviceProfile profile, tools::find_profile(bench.options.target));
  QLOAD_TRY(File file, File::open(bench.forms.model->packed));
  QLOAD_TRY(const Container container, read_container(std::move(file)));
  const TargetDevice& device = profile.device;
  StreamRates rates{.storage_rate = device.storage_bytes_per_second};
  if (throttle_rate > 0) {
    rates.storage_rate = std::min(rates.storage_rate, static_cast<double>(throttle_rate));
  }
  const LoadWork work = container_work(container, device);
  if (work.decode_seconds > 0) {
    rates.decode_rate = static_cast<double>(bench.forms.model->tensor_bytes) *
                        full_threads(device) / work.decode_seconds;
  }
  return rates;
}

Result<StreamRates> choose_rates(Benchmark& bench, const PointSetting& setting) {
  StreamRates rates;
  if (bench.options.target.empty()) {
    QLOAD_TRY(const RooflinePair pair, measure_rates(bench));
    rates.storage_rate =
        setting.throttle_rate > 0 ? throttled_rate(bench, setting) : pair.storage_rate;
    rates.decode_rate = pair.decode_rate;
  } else {
    QLOAD_TRY(rates, rates_of_profile(bench, setting.throttle_rate));
  }
  rates.compute_seconds = bench.compute_seconds;
  return rates;
}

Result<std::unique_ptr<MemoryGroup>> create_group(const GroupLimits& limits,
                                                  InterruptGuard& interrupts) {
  auto group = MemoryGroup::create(limits, interrupts);
  if (!group.ok()) return group.error().at("--memory (--no-limit runs without)");
  return group;
}

/// In version 2 the group of the memory limit has to limit reading, too.
Result<std::unique_ptr<MemoryGroup>> make_group(const Benchmark& bench, const StreamPoint& point,
                                                const PointSetting& setting) {
  GroupLimits limits{.memory_bytes = point.limit_bytes};
  if (setting.throttle != nullptr) limits.io_max = setting.throttle->io_max();
  return create_group(limits, bench.interrupts);
}

// What a machine or a limit does not let a contender do leaves it out; the rest is a failure.
bool is_refusal(ErrorCode code) {
  return code == ErrorCode::kUnsupported || code == ErrorCode::kBudgetTooSmall ||
         code == ErrorCode::kOutOfMemory || code == ErrorCode::kInvalidArgument;
}

Status run_once(Benchmark& bench, const StreamPoint& point, const PointSetting& setting,
                StreamRow& row) {
  const StreamBenchmarkOptions& options = bench.options;
  const PassJob job{.contender = row.contender,
                    .setting = {.model = options.model,
                                .packed = bench.forms.model->packed,
                                .budget = {.budget_bytes = point.budget_bytes,
                                           .staging_bytes = point.staging_bytes,
                                           .rates = setting.rates},
                                .threads = bench.threads,
                                .keep_packed = options.keep_packed},
                    .work = options.work};
  // Pages that are cached now are charged to others, and would be free.
  QLOAD_CHECK(drop_cached(bench.files, ColdMethod::kAdvise));
  if (setting.throttle != nullptr) QLOAD_CHECK(setting.throttle->drain());
  std::unique_ptr<MemoryGroup> group;
  if (!options.no_limit) {
    QLOAD_TRY(group, make_group(bench, point, setting));
    bench.limit_method = group->description();
  }
  QLOAD_TRY(const ChildEnd end,
            run_child(arguments_of(job), group ? group->join_file() : std::filesystem::path(),
                      bench.interrupts));
  if (end.signal != 0) {
    row.left_out = text("killed by signal ", end.signal, group ? ": its memory limit?" : "");
    return Ok{};
  }
  auto passes = run_from_text(end.output);
  if (!passes.ok()) {
    if (!is_refusal(passes.error().code())) return passes.error().at(row.contender);
    row.left_out = passes.error().message();
    return Ok{};
  }
  StreamRun run{.passes = std::move(*passes)};
  run.peak_bytes = group ? group->peak_bytes() : run.passes.resident_peak_bytes;
  if (run.passes.facts && setting.throttle_rate > 0) {
    run.storage_rate = throttled_rate(bench, setting);
  } else if (run.passes.facts) {
    QLOAD_TRY(const RooflinePair pair, measure_rates(bench));
    run.storage_rate = pair.storage_rate;
  }
  row.runs.push_back(std::move(run));
  return Ok{};
}

Result<StreamPoint> run_point(Benchmark& bench, const MemoryLimit& memory,
                              const PointSetting& setting) {
  const StreamBenchmarkOptions& options = bench.options;
  StreamPoint point{.memory = memory.text,
                    .limit_bytes = memory.of(bench.forms.model->tensor_bytes)};
  const uint64_t least = std::min(point.limit_bytes, options.overhead_bytes);
  point.budget_bytes = options.budget_bytes != 0 ? options.budget_bytes : point.limit_bytes - least;
  point.staging_bytes = internal::staging_within(options.loader.staging_bytes, point.budget_bytes);
  if (point.budget_bytes == 0) {
    point.left_out = text("a limit of ", point.limit_bytes, " bytes leaves nothing beside ",
                          options.overhead_bytes, " of overhead");
    return point;
  }
  for (const std::string& contender : bench.contenders) {
    point.rows.push_back({.contender = contender});
  }
  for (uint32_t round = 0; round < options.runs; ++round) {
    for (const size_t number : order_of_round(point.rows.size(), round)) {
      StreamRow& row = point.rows[number];
      if (!row.left_out.empty()) continue;
      bench.progress.show(text(setting.throttle_rate / 1'000'000, " MB/s, memory ", memory.text,
                               ": ", round + 1, "/", options.runs, " ", row.contender));
      QLOAD_CHECK(run_once(bench, point, setting, row));
    }
  }
  return point;
}

// A throttle that does not come about leaves its rate out: hours of other rates are kept.
Result<StreamRate> run_rate(Benchmark& bench, uint64_t throttle_rate) {
  StreamRate rate{.throttle_rate = throttle_rate};
  std::unique_ptr<Throttle> throttle;
  if (throttle_rate > 0) {
    auto created = Throttle::create(bench.scratch, throttle_rate, bench.interrupts);
    if (!created.ok()) {
      rate.left_out = created.error().message();
      return rate;
    }
    throttle = std::move(*created);
    rate.throttle = throttle->description();
    rate.measured_rate = throttle->measured_rate();
  }
  PointSetting setting{.throttle = throttle.get(), .throttle_rate = throttle_rate};
  bench.progress.show("rates of storage and decoding");
  QLOAD_TRY(setting.rates, choose_rates(bench, setting));
  rate.rates = setting.rates;
  for (const MemoryLimit& memory : bench.options.memory) {
    QLOAD_TRY(StreamPoint point, run_point(bench, memory, setting));
    rate.points.push_back(std::move(point));
  }
  return rate;
}

Status prepare(Benchmark& bench, StreamReport& report) {
  const StreamBenchmarkOptions& options = bench.options;
  bench.threads =
      options.loader.decode_threads != 0 ? options.loader.decode_threads : available_processors();
  bench.progress.show("pack the model");
  QLOAD_TRY(bench.forms, make_forms(options.model, {.packed = true,
                                                    .packed_path = options.packed,
                                                    .scratch = bench.scratch,
                                                    .threads = bench.threads}));
  const BenchModel& model = *bench.forms.model;
  bench.files = model.plain_files;
  bench.files.push_back(model.packed);
  report.machine = describe_machine(options.model);
  bench.progress.show("sweep of read sizes and depths");
  QLOAD_TRY(bench.roofline,
            Roofline::create(
                model.packed,
                {.threads = bench.threads,
                 .memory_bytes_max = report.machine.memory_available_bytes / kRooflineMemoryShare,
                 .storage_seconds_max = options.roofline_seconds}));
  const double rate = digest_rate();
  bench.compute_seconds = options.work.compute_seconds;
  if (rate > 0) bench.compute_seconds += static_cast<double>(model.tensor_bytes) / rate;
  return Ok{};
}

Status describe(const Benchmark& bench, StreamReport& report) {
  const StreamBenchmarkOptions& options = bench.options;
  const BenchModel& model = *bench.forms.model;
  QLOAD_TRY(File file, File::open(model.packed));
  QLOAD_TRY(const Container container, read_container(std::move(file)));
  report.model = options.model.filename().string();
  report.tensor_count = container.index.tensors().size();
  report.layer_count = container.index.groups().size();
  report.tensor_bytes = model.tensor_bytes;
  report.packed_bytes = model.packed_bytes;
  report.threads = bench.threads;
  report.runs = options.runs;
  report.passes = options.work.passes;
  report.compute_seconds = options.work.compute_seconds;
  report.overhead_bytes = options.overhead_bytes;
  report.rates_from = options.target.empty() ? "measured" : options.target;
  return Ok{};
}

/// The first reason why there is nothing to report: of qload, where it was asked for. Empty when
/// there is something.
std::string reason_for_nothing(const StreamReport& report) {
  std::string reason;
  const auto note = [&](const std::string& why) {
    if (reason.empty()) reason = why;
  };
  for (const StreamRate& rate : report.rates) {
    note(rate.left_out);
    for (const StreamPoint& point : rate.points) {
      note(point.left_out);
      const StreamRow* const own = find_row(point, "qload");
      for (const StreamRow& row : point.rows) {
        if (own != nullptr && &row != own) continue;
        if (!row.runs.empty()) return {};
        note(row.left_out);
      }
    }
  }
  return reason;
}

}  // namespace

Result<StreamReport> run_stream_benchmark(const StreamBenchmarkOptions& options,
                                          InterruptGuard& interrupts) {
  QLOAD_CHECK(require_model(options.model));
  QLOAD_TRY(const std::vector<std::string> contenders, choose_contenders(options));
  if (!options.target.empty()) {
    QLOAD_TRY([[maybe_unused]] const auto profile, tools::find_profile(options.target));
  }
  QLOAD_TRY(
      const ScratchDirectory scratch,
      ScratchDirectory::create(
          options.scratch.empty() ? model_directory(options.model) : options.scratch, interrupts));
  Benchmark bench{.options = options, .interrupts = interrupts, .scratch = scratch.path()};
  bench.contenders = contenders;
  if (!options.no_limit) {
    // A refusal is told before hours of packing.
    QLOAD_TRY([[maybe_unused]] const auto trial,
              create_group({.memory_bytes = 1ull << 30}, interrupts));
  }
  StreamReport report;
  QLOAD_CHECK(prepare(bench, report));
  QLOAD_CHECK(describe(bench, report));
  for (const uint64_t throttle_rate : options.throttle_rates) {
    QLOAD_TRY(StreamRate rate, run_rate(bench, throttle_rate));
    report.rates.push_back(std::move(rate));
  }
  report.limit_method = bench.limit_method;
  std::string reason = reason_for_nothing(report);
  if (!reason.empty()) return Error(ErrorCode::kUnsupported, std::move(reason));
  return report;
}

}  // namespace qload::bench
