#include "bench/sweep/sweep_report.h"

#include <algorithm>
#include <span>

#include "bench/load/load_stages.h"
#include "format/base/format_text.h"

namespace qload::bench {
namespace {

double mega(double bytes) { return bytes / 1e6; }

std::string mebi(uint64_t bytes) { return print("%.4g", static_cast<double>(bytes) / (1u << 20)); }

std::vector<std::string> row_of(const SweepPoint& point, uint64_t decoded_bytes) {
  std::vector<double> seconds;
  for (const RunSample& run : point.runs) seconds.push_back(run.seconds);
  const Spread spread = spread_of(seconds);
  const Spread efficiency = efficiency_of(point.pairs);
  const StageSummary stages = summarize_stages(point.runs, decoded_bytes);
  const auto beyond = static_cast<double>(peak_beyond_decoded(point.runs, decoded_bytes));
  return {mebi(point.staging_bytes),
          text(point.threads),
          print("%.3f", spread.median),
          print("%.3f", spread.min),
          print("%.3f", spread.max),
          print("%.3f", efficiency.median),
          print("%.1f", mega(beyond)),
          print("%.3f", stages.staging_wait_seconds),
          print("%.3f", stages.cpu_seconds_per_gb),
          load_stage_name(stages.bound)};
}

void print_rate(const SweepReport& report, const SweepRate& rate, TableStyle style,
                std::ostream& out) {
  out << '\n' << (style == TableStyle::kMarkdown ? "### " : "");
  if (rate.throttle_rate == 0) {
    out << "unthrottled";
  } else {
    out << print("%.1f MB/s", mega(static_cast<double>(rate.throttle_rate)));
    if (!rate.throttle.empty()) {
      out << print(" (%s, measured %.1f MB/s)", rate.throttle.c_str(), mega(rate.measured_rate));
    }
  }
  out << "\n\n";
  if (!rate.left_out.empty()) {
    out << "left out: " << rate.left_out << '\n';
    return;
  }
  print_titles({"staging MiB", "threads", "median s", "min", "max", "effic.", "peak+ MB",
                "staging wait", "cpu s/GB", "bound by"},
               style, out);
  for (const SweepPoint& point : rate.points) {
    if (point.left_out.empty()) print_row(row_of(point, report.tensor_bytes), style, out);
  }
  out << '\n';
  for (const SweepPoint& point : rate.points) {
    if (point.left_out.empty()) continue;
    out << mebi(point.staging_bytes) << " MiB, " << point.threads
        << " threads left out: " << point.left_out << '\n';
  }
  double cached = 0;
  for (const SweepPoint& point : rate.points) {
    for (const RunSample& run : point.runs) cached = std::max(cached, run.cached_share);
  }
  if (cached > 0) out << print("not cold: up to %.2f %% of the pages were cached\n", cached * 100);
}

}  // namespace

int64_t peak_beyond_decoded(std::span<const RunSample> runs, uint64_t decoded_bytes) {
  uint64_t peak = 0;
  for (const RunSample& run : runs) peak = std::max(peak, run.peak_bytes);
  return static_cast<int64_t>(peak) - static_cast<int64_t>(decoded_bytes);
}

Spread efficiency_of(std::span<const RooflinePair> pairs) {
  std::vector<double> ratios;
  for (const RooflinePair& pair : pairs) ratios.push_back(pair.efficiency());
  return spread_of(std::move(ratios));
}

void print_sweep(const SweepReport& report, TableStyle style, std::ostream& out) {
  Facts facts(out, style);
  print_machine(report.machine, facts);
  facts.add("storage", text(report.machine.file_system, ", read-ahead ", report.machine.read_ahead,
                            ", scheduler ", report.machine.scheduler));
  facts.add("model",
            print("%s: %llu tensors, %.1f MB decoded, container %.1f MB", report.model.c_str(),
                  static_cast<unsigned long long>(report.tensor_count),
                  mega(static_cast<double>(report.tensor_bytes)),
                  mega(static_cast<double>(report.packed_bytes))));
  facts.add("method", print("%u cold loads of each combination, interleaved in a new order each "
                            "round, each beside its roofline; answers checked",
                            report.runs));
  facts.add("cold by", report.cold_method);
  facts.add(
      "roofline",
      print("S by %u KiB x %u in flight (%s), %s each time; unthrottled %.3f GB/s",
            report.storage_shape.read_bytes / 1024, report.storage_shape.depth,
            report.storage_method.c_str(),
            report.roofline_seconds_max > 0 ? print("%.3g s", report.roofline_seconds_max).c_str()
                                            : "the whole container",
            report.storage_rate / 1e9));
  for (const SweepRate& rate : report.rates) print_rate(report, rate, style, out);
}

}  // namespace qload::bench
