#include <algorithm>
#include <string_view>

#include "bench/paper/paper_report.h"
#include "bench/paper/paper_table6.h"

namespace qload::bench {
namespace {

const ContenderResult* find_row(const PaperResult& result, std::string_view name) {
  for (const ContenderResult& row : result.rows) {
    if (row.name == name && !row.runs.empty()) return &row;
  }
  return nullptr;
}

const ContenderResult* find_best_plain(const PaperResult& result) {
  const ContenderResult* best = nullptr;
  for (const ContenderResult& row : result.rows) {
    if (!row.plain || row.runs.empty()) continue;
    if (best == nullptr || seconds_of_row(row).median < seconds_of_row(*best).median) best = &row;
  }
  return best;
}

// Rounds pair the runs: whatever slowed the machine down in a round slowed both.
Spread share_saved(const ContenderResult& row, const ContenderResult& against) {
  std::vector<double> shares;
  const size_t rounds = std::min(row.runs.size(), against.runs.size());
  for (size_t round = 0; round < rounds; ++round) {
    shares.push_back(1 - row.runs[round].seconds / against.runs[round].seconds);
  }
  return spread_of(std::move(shares));
}

void add_reduction(std::vector<Reduction>& reductions, const ContenderResult* row,
                   const ContenderResult* against, std::optional<double> quoted) {
  if (row == nullptr || against == nullptr) return;
  reductions.push_back({.row = row->name,
                        .against = against->name,
                        .share = share_saved(*row, *against),
                        .quoted = quoted});
}

}  // namespace

Spread seconds_of_row(const ContenderResult& row) {
  std::vector<double> seconds;
  for (const RunSample& run : row.runs) seconds.push_back(run.seconds);
  return spread_of(std::move(seconds));
}

std::string fastest_plain_row(const PaperResult& result) {
  const ContenderResult* best = find_best_plain(result);
  return best == nullptr ? std::string() : best->name;
}

std::vector<Reduction> reductions_of(const PaperResult& result) {
  const QuotedModel* quoted = find_quoted(result.name);
  std::optional<double> mmap_quoted, read_quoted;
  if (quoted != nullptr) {
    mmap_quoted = quoted->mmap_reduction();
    read_quoted = quoted->read_reduction();
  }
  const ContenderResult* mmap = find_row(result, "mmap-before");
  const ContenderResult* read = find_row(result, "read-before");
  const ContenderResult* qload = find_row(result, "qload");
  const ContenderResult* best = find_best_plain(result);
  std::vector<Reduction> reductions;
  add_reduction(reductions, find_row(result, "mmap-after"), mmap, mmap_quoted);
  add_reduction(reductions, find_row(result, "read-after"), read, read_quoted);
  add_reduction(reductions, qload, mmap, std::nullopt);
  add_reduction(reductions, qload, read, std::nullopt);
  if (best != mmap && best != read) add_reduction(reductions, qload, best, std::nullopt);
  return reductions;
}

}  // namespace qload::bench
