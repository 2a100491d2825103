#include "bench/sweep/sweep_benchmark.h"

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

// Everything the rounds need.
struct Sweep {
  const SweepOptions& options;
  MadeForms forms;
  AnswerSample sample;
  std::unique_ptr<Roofline> roofline;
  std::vector<SweepPoint> points;  // Without runs: copied for each rate.
  ProgressLine progress;
};

std::unique_ptr<Contender> make_loader(const Sweep& sweep, const SweepPoint& point) {
  ContenderOptions options{.threads = point.threads, .loader = sweep.options.loader};
  options.loader.staging_bytes = point.staging_bytes;
  options.loader.decode_threads = point.threads;
  return make_qload(*sweep.forms.model, options);
}

// A small staging area may not hold the container's largest chunk, or the loader's reads.
bool is_refusal(ErrorCode code) {
  return code == ErrorCode::kInvalidArgument || code == ErrorCode::kUnsupported ||
         code == ErrorCode::kBudgetTooSmall;
}

// The whole answer once for each size; each timed run is compared by samples.
Status make_points(Sweep& sweep) {
  for (const uint64_t staging_bytes : sweep.options.staging_bytes) {
    SweepPoint point{.staging_bytes = staging_bytes, .threads = sweep.options.threads.front()};
    sweep.progress.show(text("check ", staging_bytes >> 20, " MiB"));
    const auto contender = make_loader(sweep, point);
    const Status checked = check_answer(*contender, sweep.forms.model->source);
    if (!checked.ok()) {
      if (!is_refusal(checked.error().code())) return checked;
      point.left_out = checked.error().message();
    }
    for (const uint32_t threads : sweep.options.threads) {
      point.threads = threads;
      sweep.points.push_back(point);
    }
  }
  return Ok{};
}

Status run_round(Sweep& sweep, uint32_t round, Throttle* throttle, SweepRate& rate) {
  for (const size_t number : order_of_round(rate.points.size(), round)) {
    SweepPoint& point = rate.points[number];
    if (!point.left_out.empty()) continue;
    sweep.progress.show(text(rate.throttle_rate / 1'000'000, " MB/s ", round + 1, "/",
                             sweep.options.runs, " ", point.staging_bytes >> 20, " MiB, ",
                             point.threads, " threads"));
    const BenchModel& model = *sweep.forms.model;
    const RunSetting setting{.cold = true,
                             .cold_method = sweep.options.cold_method,
                             .threads = point.threads,
                             .throttle = throttle};
    const auto contender = make_loader(sweep, point);
    QLOAD_TRY(RunSample run, run_contender(*contender, model, sweep.sample, setting));
    QLOAD_TRY(const RooflinePair pair,
              measure_beside(*sweep.roofline, run.seconds, model, setting));
    point.runs.push_back(std::move(run));
    point.pairs.push_back(pair);
  }
  return Ok{};
}

// A throttle that does not come about leaves its rate out: hours of other rates are kept.
Result<SweepRate> run_rate(Sweep& sweep, uint64_t throttle_rate,
                           const std::filesystem::path& scratch, InterruptGuard& interrupts) {
  SweepRate rate{.throttle_rate = throttle_rate, .points = sweep.points};
  std::unique_ptr<Throttle> throttle;
  if (throttle_rate > 0) {
    auto created = Throttle::create(scratch, throttle_rate, interrupts);
    if (!created.ok()) {
      rate.left_out = created.error().message();
      return rate;
    }
    throttle = std::move(*created);
    rate.throttle = throttle->description();
    rate.measured_rate = throttle->measured_rate();
  }
  for (uint32_t round = 0; round < sweep.options.runs; ++round) {
    QLOAD_CHECK(run_round(sweep, round, throttle.get(), rate));
  }
  return rate;
}

SweepReport describe(const Sweep& sweep) {
  const SweepOptions& options = sweep.options;
  const BenchModel& model = *sweep.forms.model;
  return {.machine = describe_machine(options.model),
          .model = options.model.filename().string(),
          .tensor_count = model.source.tensors().size(),
          .tensor_bytes = model.tensor_bytes,
          .packed_bytes = model.packed_bytes,
          .runs = options.runs,
          .cold_method = options.cold_method == ColdMethod::kAdvise
                             ? "posix_fadvise(DONTNEED), checked by mincore"
                             : "posix_fadvise(DONTNEED) and drop_caches, checked by mincore",
          .roofline_seconds_max = options.roofline_seconds};
}

Status make_roofline(Sweep& sweep, SweepReport& report) {
  sweep.progress.show("sweep of read sizes and depths");
  QLOAD_TRY(sweep.roofline,
            Roofline::create(
                sweep.forms.model->packed,
                {.threads = *std::ranges::max_element(sweep.options.threads),
                 .memory_bytes_max = report.machine.memory_available_bytes / kRooflineMemoryShare,
                 .storage_seconds_max = sweep.options.roofline_seconds}));
  report.storage_shape = sweep.roofline->shape();
  report.storage_rate = sweep.roofline->sweep_rate();
  report.storage_method = sweep.roofline->method();
  report.roofline_sampled_share = sweep.roofline->sampled_share();
  return Ok{};
}

}  // namespace

Result<SweepReport> run_sweep(const SweepOptions& options, InterruptGuard& interrupts) {
  QLOAD_CHECK(require_model(options.model));
  QLOAD_TRY(
      const ScratchDirectory scratch,
      ScratchDirectory::create(
          options.scratch.empty() ? model_directory(options.model) : options.scratch, interrupts));
  Sweep sweep{.options = options};
  sweep.progress.show("pack the model");
  QLOAD_TRY(sweep.forms,
            make_forms(options.model, {.packed = true,
                                       .packed_path = options.packed,
                                       .scratch = scratch.path(),
                                       .threads = *std::ranges::max_element(options.threads)}));
  QLOAD_TRY(sweep.sample, AnswerSample::create(sweep.forms.model->source));
  QLOAD_CHECK(make_points(sweep));
  SweepReport report = describe(sweep);
  QLOAD_CHECK(make_roofline(sweep, report));
  for (const uint64_t throttle_rate : options.throttle_rates) {
    QLOAD_TRY(SweepRate rate, run_rate(sweep, throttle_rate, scratch.path(), interrupts));
    report.rates.push_back(std::move(rate));
  }
  if (std::ranges::all_of(report.rates,
                          [](const SweepRate& rate) { return !rate.left_out.empty(); })) {
    return Error(ErrorCode::kUnsupported, report.rates.front().left_out);
  }
  return report;
}

}  // namespace qload::bench
