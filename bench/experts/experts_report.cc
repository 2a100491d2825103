#include "bench/experts/experts_report.h"

#include <algorithm>

#include "format/base/format_text.h"

namespace qload::bench {
namespace {

double mega(uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

double share(uint64_t part, uint64_t rest) {
  const uint64_t all = part + rest;
  return all == 0 ? 0 : static_cast<double>(part) / static_cast<double>(all);
}

template <class Value>
double median_of(const ExpertsRow& row, Value&& value) {
  std::vector<double> values;
  for (const ExpertsRun& run : row.runs) values.push_back(static_cast<double>(value(run)));
  return spread_of(std::move(values)).median;
}

void add_facts(const ExpertsReport& report, Facts& facts) {
  print_machine(report.machine, facts);
  facts.add("storage",
            text(report.machine.file_system, ", read-ahead ", report.machine.read_ahead));
  if (report.throttle_rate != 0) {
    facts.add("throttle", print("%.1f MB/s (%s, measured %.1f MB/s)", mega(report.throttle_rate),
                                report.throttle.c_str(), report.measured_rate / 1e6));
  }
  facts.add("model", text(report.shape.layers, " layers of ", report.shape.experts, " experts, ") +
                         print("%.3f MB each, %.1f MB; container %.1f MB, ratio %.3f",
                               mega(report.shape.expert_bytes()),
                               mega(report.shape.decoded_bytes()), mega(report.container_bytes),
                               mega(report.shape.decoded_bytes()) / mega(report.container_bytes)));
  facts.add("accesses", text(report.tokens, " tokens, ", report.active, " experts a layer, ") +
                            print("Zipf exponent %.2f", report.exponent));
  facts.add("memory",
            print("budget %.1f MB, of which %.1f MB hold experts; ", mega(report.budget_bytes),
                  mega(report.capacity_bytes)) +
                (report.limit_bytes == 0 ? text("no limit: ", report.limit)
                                         : print("all contenders limited to %.1f MB (%s)",
                                                 mega(report.limit_bytes), report.limit.c_str())));
  facts.add("ideal LRU", print("hit rate %.4f", share(report.ideal_hits, report.ideal_misses)));
  facts.add("method", text("cold, interleaved; ", report.threads,
                           " decode threads; digest of every tensor at every access"));
}

}  // namespace

Spread token_spread(const ExpertsRow& row, uint32_t tokens) {
  std::vector<double> seconds;
  for (const ExpertsRun& run : row.runs) seconds.push_back(run.seconds / std::max(tokens, 1u));
  return spread_of(std::move(seconds));
}

double speedup_over_mmap(const ExpertsReport& report, const ExpertsRow& row) {
  const ExpertsRow* best = nullptr;
  for (const ExpertsRow& other : report.rows) {
    if (other.cache) continue;
    const double seconds = token_spread(other, report.tokens).median;
    if (best == nullptr || seconds < token_spread(*best, report.tokens).median) best = &other;
  }
  if (best == nullptr) return 0;
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(best->runs.size(), row.runs.size()); ++i) {
    ratios.push_back(best->runs[i].seconds / row.runs[i].seconds);
  }
  return spread_of(std::move(ratios)).median;
}

void print_experts(const ExpertsReport& report, TableStyle style, std::ostream& out) {
  Facts facts(out, style);
  add_facts(report, facts);
  out << '\n';
  print_titles({"contender", "s/token", "min", "max", "x best mmap", "median token s", "hit rate",
                "late hits", "wait s", "read MB", "peak MB"},
               style, out);
  for (const ExpertsRow& row : report.rows) {
    const Spread spread = token_spread(row, report.tokens);
    const auto median = [&row](auto member) {
      return median_of(row, [member](const ExpertsRun& run) { return run.*member; });
    };
    const ExpertsRun& first = row.runs.front();
    print_row({row.name, print("%.4f", spread.median), print("%.4f", spread.min),
               print("%.4f", spread.max), print("%.2f", speedup_over_mmap(report, row)),
               print("%.4f", median(&ExpertsRun::token_median_seconds)),
               row.cache ? print("%.4f", share(first.hits, first.misses)) : "",
               row.cache ? print("%.0f", median(&ExpertsRun::waited_hits)) : "",
               row.cache ? print("%.3f", median(&ExpertsRun::wait_seconds)) : "",
               print("%.1f", median(&ExpertsRun::storage_bytes) / 1e6),
               print("%.1f", median(&ExpertsRun::peak_bytes) / 1e6)},
              style, out);
  }
}

}  // namespace qload::bench
