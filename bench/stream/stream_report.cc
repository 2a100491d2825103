#include "bench/stream/stream_report.h"

#include "format/base/format_text.h"

namespace qload::bench {
namespace {

std::string mega(double bytes) { return print("%.1f", bytes / 1e6); }
std::string mega(uint64_t bytes) { return mega(static_cast<double>(bytes)); }

std::vector<std::string> cells_of(const StreamRow& row, uint64_t tensor_bytes) {
  const PassSummary summary = summarize_passes(row, tensor_bytes);
  return {row.contender,
          print("%.3f", summary.seconds.median),
          print("%.3f", summary.seconds.min),
          print("%.3f", summary.seconds.max),
          print("%.3f", summary.wait_seconds),
          print("%.3f", summary.request_seconds),
          summary.overlap ? print("%.2f", *summary.overlap) : std::string("-"),
          mega(summary.bytes_read),
          mega(summary.resident_bytes),
          mega(summary.peak_bytes),
          print("%.3f", summary.cpu_seconds_per_gb)};
}

void print_bound(const BoundSummary& bound, double rate, std::ostream& out) {
  const StreamFacts& facts = bound.facts;
  out << "qload keeps " << mega(facts.resident_bytes) << " MB decoded and "
      << mega(facts.packed_bytes) << " MB packed, has " << mega(facts.portion_bytes)
      << " MB for layers (" << (facts.overlaps ? "two at a time" : "one at a time") << ") and "
      << mega(facts.staging_bytes) << " MB of staging memory; each pass reads "
      << mega(facts.storage_bytes_per_pass) << " MB\n";
  out << print(
      "bound %.3f s a pass (storage at %.1f MB/s, or computing); passes are %.1f %% beyond "
      "it (%.1f to %.1f)\n",
      bound.bound_seconds, rate / 1e6, bound.beyond.median * 100, bound.beyond.min * 100,
      bound.beyond.max * 100);
  out << print("the planner foresaw %.3f s a pass: %.2f of what it took\n", facts.seconds_per_pass,
               bound.predicted_ratio);
}

double storage_rate_of(const StreamRow& row) {
  std::vector<double> rates;
  for (const StreamRun& run : row.runs) rates.push_back(run.storage_rate);
  return spread_of(std::move(rates)).median;
}

void print_point(const StreamReport& report, const StreamPoint& point, TableStyle style,
                 std::ostream& out) {
  out << '\n' << (style == TableStyle::kMarkdown ? "#### " : "");
  out << "memory " << point.memory << ": " << mega(point.limit_bytes) << " MB"
      << (report.limit_method.empty() ? ", not enforced" : "") << "; qload's budget "
      << mega(point.budget_bytes) << " MB\n\n";
  if (!point.left_out.empty()) {
    out << "left out: " << point.left_out << '\n';
    return;
  }
  print_titles({"contender", "s/pass", "min", "max", "wait s", "asking s", "overlap", "read MB",
                "kept MB", "peak MB", "cpu s/GB"},
               style, out);
  for (const StreamRow& row : point.rows) {
    if (!row.runs.empty()) print_row(cells_of(row, report.tensor_bytes), style, out);
  }
  out << '\n';
  for (const StreamRow& row : point.rows) {
    if (!row.left_out.empty()) out << row.contender << " left out: " << row.left_out << '\n';
  }
  const StreamRow* const own = find_row(point, "qload");
  if (own == nullptr) return;
  if (const auto bound = summarize_bound(*own)) print_bound(*bound, storage_rate_of(*own), out);
  if (const auto best = compare_with_best_other(point)) {
    out << print(
        "qload is %.2f times as fast as %s, the fastest other; the container's ratio is "
        "%.2f\n",
        best->speed_up, best->contender.c_str(), report.packing_ratio());
  }
}

void print_rate(const StreamReport& report, const StreamRate& rate, TableStyle style,
                std::ostream& out) {
  out << '\n' << (style == TableStyle::kMarkdown ? "### " : "");
  if (rate.throttle_rate == 0) {
    out << "unthrottled\n";
  } else {
    out << print("%.1f MB/s", static_cast<double>(rate.throttle_rate) / 1e6);
    if (!rate.throttle.empty()) {
      out << print(" (%s, measured %.1f MB/s)", rate.throttle.c_str(), rate.measured_rate / 1e6);
    }
    out << '\n';
  }
  if (!rate.left_out.empty()) {
    out << "\nleft out: " << rate.left_out << '\n';
    return;
  }
  out << print(
      "\nrates for the planner (%s): storage %.1f MB/s, decoding %.1f MB/s, computing "
      "%.3f s a pass\n",
      report.rates_from.c_str(), rate.rates.storage_rate / 1e6, rate.rates.decode_rate / 1e6,
      rate.rates.compute_seconds);
  for (const StreamPoint& point : rate.points) print_point(report, point, style, out);
}

}  // namespace

void print_stream_report(const StreamReport& report, TableStyle style, std::ostream& out) {
  Facts facts(out, style);
  print_machine(report.machine, facts);
  facts.add("storage", text(report.machine.file_system, ", read-ahead ", report.machine.read_ahead,
                            ", scheduler ", report.machine.scheduler));
  facts.add("model",
            print("%s: %llu tensors in %llu groups, %.1f MB decoded, container %.1f MB",
                  report.model.c_str(), static_cast<unsigned long long>(report.tensor_count),
                  static_cast<unsigned long long>(report.layer_count),
                  static_cast<double>(report.tensor_bytes) / 1e6,
                  static_cast<double>(report.packed_bytes) / 1e6));
  facts.add("method", print("%u runs of each contender in turns, each a process of its own with a "
                            "cold page cache: a pass to warm up, then %u timed",
                            report.runs, report.passes));
  facts.add("computing", print("the digest of every tensor, checked in every pass, and %.3g s of "
                               "processor time a pass, one thread",
                               report.compute_seconds));
  facts.add("memory", report.limit_method.empty()
                          ? std::string("not limited; peaks are of resident memory")
                          : report.limit_method + ", page cache included; peaks are the group's");
  facts.add("decode threads", text(report.threads));
  for (const StreamRate& rate : report.rates) print_rate(report, rate, style, out);
}

}  // namespace qload::bench
