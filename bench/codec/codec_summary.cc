#include <algorithm>
#include <utility>

#include "bench/codec/codec_contender.h"
#include "bench/codec/codec_report.h"

namespace qload::bench {
namespace {

std::vector<double> rates_of(const CodecReport& report, const CodecTable& table,
                             const CodecRow& row) {
  std::vector<double> rates;
  for (const PassSample& sample : row.rounds) {
    const double bytes = static_cast<double>(table.bytes) * static_cast<double>(sample.passes);
    const bool wall = report.mode == CodecMode::kThreads;
    rates.push_back(bytes / (wall ? sample.wall_seconds : sample.cpu_seconds));
  }
  return rates;
}

const CodecRow* find_row(const CodecTable& table, std::string_view name, uint32_t threads) {
  for (const CodecRow& row : table.rows) {
    if (row.name == name && row.threads == threads && !row.rounds.empty()) return &row;
  }
  return nullptr;
}

// Rounds pair the measurements: whatever slowed the machine down in a round slowed both.
double median_ratio(const std::vector<double>& rates, const CodecReport& report,
                    const CodecTable& table, const CodecRow* reference) {
  if (reference == nullptr) return 0;
  const std::vector<double> others = rates_of(report, table, *reference);
  std::vector<double> ratios;
  for (size_t round = 0; round < std::min(rates.size(), others.size()); ++round) {
    ratios.push_back(rates[round] / others[round]);
  }
  return spread_of(std::move(ratios)).median;
}

}  // namespace

CodecSummary summarize(const CodecReport& report, const CodecTable& table, const CodecRow& row) {
  CodecSummary summary;
  if (row.rounds.empty()) return summary;
  const std::vector<double> rates = rates_of(report, table, row);
  summary.ratio = static_cast<double>(table.bytes) / static_cast<double>(row.stored_bytes);
  summary.rate = spread_of(rates);
  const auto over = [&](std::string_view name, uint32_t threads) {
    return median_ratio(rates, report, table, find_row(table, name, threads));
  };
  summary.over_baseline = over(kBaselineName, row.threads);
  summary.over_copy = over(kCopyName, row.threads);
  uint32_t fewest = row.threads;
  for (const CodecRow& other : table.rows) {
    if (other.name == row.name) fewest = std::min(fewest, other.threads);
  }
  summary.over_fewest = over(row.name, fewest);
  std::vector<double> busy;
  for (const PassSample& sample : row.rounds) {
    busy.push_back(sample.cpu_seconds / (sample.wall_seconds * row.threads));
  }
  summary.busy_share = spread_of(std::move(busy)).median;
  return summary;
}

}  // namespace qload::bench
