#include "bench/experts/experts_benchmark.h"

#include <array>
#include <memory>
#include <utility>

#include "bench/experts/expert_contenders.h"
#include "bench/experts/expert_trace.h"
#include "bench/experts/own_memory_group.h"
#include "bench/load/parallel.h"
#include "bench/load/process_usage.h"
#include "bench/load/progress_line.h"
#include "bench/load/round_order.h"
#include "bench/load/scratch_directory.h"
#include "bench/load/throttle.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/input/model_source.h"
#include "format/pack/pack.h"
#include "qload/loader.h"

namespace qload::bench {
namespace {

constexpr uint64_t kTraceSeed = 1;

// What a contender may take beyond the budget: threads, index, plans, page tables. All alike.
constexpr uint64_t kLimitSlackBytes = 32u << 20;

struct Bench {
  const ExpertsOptions& options;
  InterruptGuard& interrupts;
  ExpertSetting setting;
  ExpertTrace trace;
  std::unique_ptr<Throttle> throttle;
};

Result<ExpertsRun> run_trace(ExpertContender& contender, const ExpertTrace& trace) {
  ExpertsRun run;
  std::vector<double> token_seconds;
  const ProcessUsage before = usage_now();
  const double begin = now_seconds();
  for (uint64_t token = 0; token < trace.token_count(); ++token) {
    const double token_begin = now_seconds();
    const std::span<const ExpertStep> steps = trace.token(token);
    for (size_t i = 0; i < steps.size(); ++i) {
      // A router decides within a token: the next token's experts are not known.
      QLOAD_CHECK(contender.use(steps[i], i + 1 < steps.size() ? &steps[i + 1] : nullptr));
    }
    token_seconds.push_back(now_seconds() - token_begin);
  }
  run.seconds = now_seconds() - begin;
  run.storage_bytes = usage_between(before, usage_now()).storage_read_bytes;
  run.token_median_seconds = spread_of(std::move(token_seconds)).median;
  if (const auto statistics = contender.statistics()) {
    run.hits = statistics->hits;
    run.waited_hits = statistics->waited_hits;
    run.misses = statistics->misses;
    run.wait_seconds = statistics->wait_seconds;
  }
  return run;
}

/// In version 2 the group of the memory limit has to limit reading, too.
GroupLimits limits_of(const Bench& bench, uint64_t memory_bytes) {
  GroupLimits limits{.memory_bytes = memory_bytes};
  if (bench.throttle != nullptr) limits.io_max = bench.throttle->io_max();
  return limits;
}

Result<ExpertsRun> run_cold(const ExpertContenderKind& kind, Bench& bench,
                            const ExpertsReport& report) {
  const std::array<std::filesystem::path, 2> files = {bench.setting.plain, bench.setting.packed};
  QLOAD_CHECK(drop_cached(files, bench.options.cold_method));
  std::unique_ptr<OwnMemoryGroup> group;
  if (report.limit_bytes != 0) {
    QLOAD_TRY(group, OwnMemoryGroup::enter(limits_of(bench, report.limit_bytes), bench.interrupts));
  }
  QLOAD_TRY(const auto contender, kind.make(bench.setting));
  if (bench.throttle != nullptr) QLOAD_CHECK(bench.throttle->drain());
  QLOAD_TRY(ExpertsRun run, run_trace(*contender, bench.trace));
  if (group != nullptr) run.peak_bytes = group->peak_bytes();
  return run;
}

/// Whether a control group can limit memory here; else the report says why not.
void try_memory_limit(Bench& bench, ExpertsReport& report) {
  if (!bench.options.memory_limit) {
    report.limit = "not asked for";
    return;
  }
  const uint64_t limit_bytes = report.budget_bytes + kLimitSlackBytes;
  const auto group = OwnMemoryGroup::enter(limits_of(bench, limit_bytes), bench.interrupts);
  if (!group.ok()) {
    report.limit = group.error().message();
    return;
  }
  report.limit = (*group)->description();
  report.limit_bytes = limit_bytes;
}

Status make_model(Bench& bench, const std::filesystem::path& directory, ExpertsReport& report) {
  bench.setting.plain = directory / "experts.safetensors";
  bench.setting.packed = directory / "experts.qpk";
  QLOAD_CHECK(write_moe_model(bench.setting.plain, bench.options.shape));
  QLOAD_TRY(const ModelSource source, open_model_source(bench.setting.plain, OpenAs::kSafetensors));
  QLOAD_TRY(const PackReport packed, pack_model(source, bench.setting.packed,
                                                {.threads = bench.options.loader.decode_threads}));
  report.container_bytes = packed.container_bytes;
  return Ok{};
}

Status compare_with_ideal(const ExpertsRow& row, const ExpertsReport& report) {
  for (const ExpertsRun& run : row.runs) {
    if (run.hits == report.ideal_hits && run.misses == report.ideal_misses) continue;
    return Error(ErrorCode::kCorrupt,
                 text("wrong answer: ", row.name, " had ", run.hits, " hits and ", run.misses,
                      " misses; expected ", report.ideal_hits, " and ", report.ideal_misses,
                      ", as of an ideal cache"));
  }
  return Ok{};
}

/// The room for experts that the budget leaves: found out from a cache.
Result<uint64_t> find_capacity(const ExpertSetting& setting) {
  for (const ExpertContenderKind& kind : all_expert_contenders()) {
    if (!kind.packed) continue;
    QLOAD_TRY(const auto contender, kind.make(setting));
    return contender->statistics()->capacity_bytes;
  }
  return uint64_t{0};
}

}  // namespace

Result<ExpertsReport> run_experts_benchmark(const ExpertsOptions& options,
                                            InterruptGuard& interrupts) {
  std::error_code error;
  const std::filesystem::path parent =
      options.scratch.empty() ? std::filesystem::temp_directory_path(error) : options.scratch;
  const MoeShape& shape = options.shape;
  Bench bench{options, interrupts, {.shape = shape, .loader = options.loader}, {}, nullptr};
  ExpertsReport report{.machine = describe_machine(parent),
                       .shape = shape,
                       .tokens = options.tokens,
                       .active = options.active,
                       .exponent = options.exponent,
                       .threads = options.loader.decode_threads};
  report.budget_bytes =
      static_cast<uint64_t>(static_cast<double>(shape.decoded_bytes()) * options.budget);
  bench.setting.budget_bytes = report.budget_bytes;
  ProgressLine progress;
  progress.show("model");
  QLOAD_TRY(const ScratchDirectory scratch, ScratchDirectory::create(parent, interrupts));
  QLOAD_CHECK(make_model(bench, scratch.path(), report));
  bench.trace =
      make_expert_trace(shape, options.tokens, options.active, options.exponent, kTraceSeed);
  QLOAD_TRY(report.capacity_bytes, find_capacity(bench.setting));
  const IdealLru ideal = run_ideal(bench.trace, shape, report.capacity_bytes);
  report.ideal_hits = ideal.hits();
  report.ideal_misses = ideal.misses();
  report.throttle_rate = options.throttle_rate;
  if (options.throttle_rate != 0) {
    QLOAD_TRY(bench.throttle, Throttle::create(scratch.path(), options.throttle_rate, interrupts));
    report.throttle = bench.throttle->description();
    report.measured_rate = bench.throttle->measured_rate();
  }
  try_memory_limit(bench, report);

  const auto kinds = all_expert_contenders();
  for (const ExpertContenderKind& kind : kinds) {
    report.rows.push_back({.name = std::string(kind.name), .cache = kind.packed, .runs = {}});
  }
  for (uint32_t round = 0; round < options.runs; ++round) {
    for (const size_t number : order_of_round(kinds.size(), round)) {
      progress.show(text(kinds[number].name, " ", round + 1, "/", options.runs));
      auto run = run_cold(kinds[number], bench, report);
      if (!run.ok()) return run.error().at(kinds[number].name);
      report.rows[number].runs.push_back(*run);
    }
  }
  for (const ExpertsRow& row : report.rows) {
    if (row.name == "qload") QLOAD_CHECK(compare_with_ideal(row, report));
  }
  return report;
}

}  // namespace qload::bench
