#include <algorithm>

#include "bench/stream/stream_report.h"

namespace qload::bench {
namespace {

double median_of(const std::vector<PassSample>& passes, double PassSample::*figure) {
  std::vector<double> values;
  for (const PassSample& pass : passes) values.push_back(pass.*figure);
  return spread_of(std::move(values)).median;
}

double median_seconds(const StreamRun& run) {
  return median_of(run.passes.passes, &PassSample::seconds);
}

Spread seconds_of_runs(const StreamRow& row) {
  std::vector<double> values;
  for (const StreamRun& run : row.runs) values.push_back(median_seconds(run));
  return spread_of(std::move(values));
}

}  // namespace

double StreamReport::packing_ratio() const {
  return packed_bytes == 0 ? 0
                           : static_cast<double>(tensor_bytes) / static_cast<double>(packed_bytes);
}

PassSummary summarize_passes(const StreamRow& row, uint64_t tensor_bytes) {
  PassSummary summary;
  std::vector<double> seconds, waits, requests, computes, bytes_read, overlaps, cpu_seconds;
  for (const StreamRun& run : row.runs) {
    summary.peak_bytes = std::max(summary.peak_bytes, run.peak_bytes);
    summary.resident_bytes = std::max(summary.resident_bytes, run.passes.resident_bytes);
    for (const PassSample& pass : run.passes.passes) {
      seconds.push_back(pass.seconds);
      waits.push_back(pass.wait_seconds());
      requests.push_back(pass.request_seconds);
      computes.push_back(pass.compute_seconds);
      bytes_read.push_back(static_cast<double>(pass.bytes_read));
      cpu_seconds.push_back(pass.cpu_seconds);
      if (pass.load_seconds > 0) overlaps.push_back(pass.overlap());
    }
  }
  summary.seconds = spread_of(std::move(seconds));
  summary.wait_seconds = spread_of(std::move(waits)).median;
  summary.request_seconds = spread_of(std::move(requests)).median;
  summary.compute_seconds = spread_of(std::move(computes)).median;
  summary.bytes_read = spread_of(std::move(bytes_read)).median;
  if (!overlaps.empty()) summary.overlap = spread_of(std::move(overlaps)).median;
  if (tensor_bytes > 0) {
    summary.cpu_seconds_per_gb =
        spread_of(std::move(cpu_seconds)).median / (static_cast<double>(tensor_bytes) / 1e9);
  }
  return summary;
}

std::optional<BoundSummary> summarize_bound(const StreamRow& row) {
  if (row.runs.empty() || !row.runs.front().passes.facts) return std::nullopt;
  BoundSummary summary{.facts = *row.runs.front().passes.facts};
  std::vector<double> bounds, beyond;
  for (const StreamRun& run : row.runs) {
    if (!(run.storage_rate > 0)) continue;
    const double storage_seconds =
        static_cast<double>(summary.facts.storage_bytes_per_pass) / run.storage_rate;
    const double bound =
        std::max(storage_seconds, median_of(run.passes.passes, &PassSample::compute_seconds));
    if (!(bound > 0)) continue;
    bounds.push_back(bound);
    beyond.push_back((median_seconds(run) - bound) / bound);
  }
  summary.bound_seconds = spread_of(std::move(bounds)).median;
  summary.beyond = spread_of(std::move(beyond));
  const double seconds = seconds_of_runs(row).median;
  if (seconds > 0) summary.predicted_ratio = summary.facts.seconds_per_pass / seconds;
  return summary;
}

const StreamRow* find_row(const StreamPoint& point, std::string_view contender) {
  for (const StreamRow& row : point.rows) {
    if (row.contender == contender) return &row;
  }
  return nullptr;
}

// Rounds pair the runs: whatever slowed the machine down in a round slowed both.
std::optional<BestOther> compare_with_best_other(const StreamPoint& point) {
  const StreamRow* const own = find_row(point, "qload");
  const StreamRow* best = nullptr;
  for (const StreamRow& row : point.rows) {
    if (&row == own || row.runs.empty()) continue;
    if (best == nullptr || seconds_of_runs(row).median < seconds_of_runs(*best).median) best = &row;
  }
  if (own == nullptr || own->runs.empty() || best == nullptr) return std::nullopt;
  std::vector<double> ratios;
  for (size_t round = 0; round < std::min(own->runs.size(), best->runs.size()); ++round) {
    ratios.push_back(median_seconds(best->runs[round]) / median_seconds(own->runs[round]));
  }
  return BestOther{best->contender, spread_of(std::move(ratios)).median};
}

}  // namespace qload::bench
