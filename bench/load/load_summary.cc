#include <algorithm>

#include "bench/load/bench_report.h"

namespace qload::bench {
namespace {

const ContenderResult* find_contender(const TemperatureResult& temperature, std::string_view name) {
  for (const ContenderResult& contender : temperature.contenders) {
    if (contender.name == name && !contender.runs.empty()) return &contender;
  }
  return nullptr;
}

std::vector<double> seconds_of(const ContenderResult& contender) {
  std::vector<double> seconds;
  for (const RunSample& run : contender.runs) seconds.push_back(run.seconds);
  return seconds;
}

// Rounds pair the runs: whatever slowed the machine down in a round slowed both.
double median_speed_up(const ContenderResult& slower, const ContenderResult& faster) {
  std::vector<double> ratios;
  const size_t rounds = std::min(slower.runs.size(), faster.runs.size());
  for (size_t round = 0; round < rounds; ++round) {
    ratios.push_back(slower.runs[round].seconds / faster.runs[round].seconds);
  }
  return spread_of(std::move(ratios)).median;
}

}  // namespace

ContenderSummary summarize(const LoadReport& report, const TemperatureResult& temperature,
                           const ContenderResult& contender) {
  ContenderSummary summary;
  if (contender.runs.empty()) return summary;
  const std::vector<double> seconds = seconds_of(contender);
  std::vector<double> cpu_seconds;
  summary.cached_share = contender.runs.front().cached_share;
  for (const RunSample& run : contender.runs) {
    cpu_seconds.push_back(run.usage.cpu_seconds());
    summary.peak_bytes = std::max(summary.peak_bytes, run.peak_bytes);
    summary.cached_share = temperature.cold ? std::max(summary.cached_share, run.cached_share)
                                            : std::min(summary.cached_share, run.cached_share);
  }
  summary.median_run = median_position(seconds);
  summary.seconds = spread_of(seconds);
  summary.cpu_seconds = spread_of(std::move(cpu_seconds));
  summary.decoded_rate = static_cast<double>(report.tensor_bytes) / summary.seconds.median;
  if (const ContenderResult* read = find_contender(temperature, "read-1")) {
    summary.speed_up = median_speed_up(*read, contender);
  }
  return summary;
}

std::optional<BestPlain> compare_with_best_plain(const TemperatureResult& temperature) {
  const ContenderResult* qload = find_contender(temperature, "qload");
  const ContenderResult* best = nullptr;
  double best_seconds = 0;
  for (const ContenderResult& contender : temperature.contenders) {
    if (!contender.plain || contender.runs.empty()) continue;
    const double seconds = spread_of(seconds_of(contender)).median;
    if (best != nullptr && seconds >= best_seconds) continue;
    best = &contender;
    best_seconds = seconds;
  }
  if (qload == nullptr || best == nullptr) return std::nullopt;
  return BestPlain{.name = best->name, .speed_up = median_speed_up(*best, *qload)};
}

}  // namespace qload::bench
