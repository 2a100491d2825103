#include "bench/load/load_stages.h"

#include <span>
#include <vector>

namespace qload::bench {
namespace {

// The median over runs of what `figure` takes from each.
template <class Figure>
double median_of(std::span<const RunSample> runs, const Figure& figure) {
  std::vector<double> values;
  for (const RunSample& run : runs) values.push_back(static_cast<double>(figure(run)));
  return spread_of(std::move(values)).median;
}

// The same over the runs' statistics; 0 without any.
double median_stage(std::span<const RunSample> runs, double LoadStatistics::*stage) {
  return median_of(
      runs, [&](const RunSample& run) { return run.statistics ? (*run.statistics).*stage : 0.0; });
}

std::vector<std::string> costs_row(const std::string& name, const StageSummary& summary) {
  return {name,
          print("%.3f", summary.seconds),
          print("%.3f", summary.user_seconds),
          print("%.3f", summary.system_seconds),
          print("%.3f", summary.cpu_seconds_per_gb),
          print("%.0f", summary.minor_faults),
          print("%.0f", summary.major_faults),
          print("%.0f", summary.voluntary_switches),
          print("%.0f", summary.involuntary_switches),
          print("%.1f", summary.storage_read_bytes / 1e6)};
}

std::vector<std::string> stages_row(const std::string& name, const StageSummary& summary) {
  return {name,
          print("%.3f", summary.read_wait_seconds),
          print("%.3f", summary.staging_wait_seconds),
          print("%.3f", summary.decode_busy_seconds),
          print("%.3f", summary.decode_wait_seconds),
          print("%.3f", summary.prefault_busy_seconds),
          print("%.3f", summary.cache_read_seconds),
          load_stage_name(summary.bound)};
}

}  // namespace

StageSummary summarize_stages(std::span<const RunSample> runs, uint64_t decoded_bytes) {
  StageSummary summary;
  if (runs.empty()) return summary;
  std::vector<double> seconds;
  for (const RunSample& run : runs) seconds.push_back(run.seconds);
  const auto& median_statistics = runs[median_position(seconds)].statistics;
  if (median_statistics) summary.bound = median_statistics->bound;
  summary.seconds = spread_of(std::move(seconds)).median;

  const auto usage = [&](auto ProcessUsage::*figure) {
    return median_of(runs, [&](const RunSample& run) { return run.usage.*figure; });
  };
  summary.user_seconds = usage(&ProcessUsage::user_seconds);
  summary.system_seconds = usage(&ProcessUsage::system_seconds);
  summary.minor_faults = usage(&ProcessUsage::minor_faults);
  summary.major_faults = usage(&ProcessUsage::major_faults);
  summary.voluntary_switches = usage(&ProcessUsage::voluntary_switches);
  summary.involuntary_switches = usage(&ProcessUsage::involuntary_switches);
  summary.storage_read_bytes = usage(&ProcessUsage::storage_read_bytes);
  if (decoded_bytes > 0) {
    summary.cpu_seconds_per_gb =
        median_of(runs, [](const RunSample& run) { return run.usage.cpu_seconds(); }) * 1e9 /
        static_cast<double>(decoded_bytes);
  }
  summary.read_wait_seconds = median_stage(runs, &LoadStatistics::read_wait_seconds);
  summary.staging_wait_seconds = median_stage(runs, &LoadStatistics::staging_wait_seconds);
  summary.decode_busy_seconds = median_stage(runs, &LoadStatistics::decode_busy_seconds);
  summary.decode_wait_seconds = median_stage(runs, &LoadStatistics::decode_wait_seconds);
  summary.cache_read_seconds = median_stage(runs, &LoadStatistics::cache_read_seconds);
  summary.prefault_busy_seconds = median_stage(runs, &LoadStatistics::prefault_busy_seconds);
  return summary;
}

void print_stages(const LoadReport& report, const TemperatureResult& temperature, TableStyle style,
                  std::ostream& out) {
  const char* space = style == TableStyle::kMarkdown ? "\n" : "";
  out << "\nWhere the time goes (medians; all threads)\n" << space;
  print_titles({"contender", "seconds", "user s", "system s", "cpu s/GB", "minor flt", "major flt",
                "waits", "preempted", "read MB"},
               style, out);
  bool any_statistics = false;
  for (const ContenderResult& contender : temperature.contenders) {
    if (contender.runs.empty()) continue;
    any_statistics = any_statistics || contender.runs.front().statistics.has_value();
    print_row(costs_row(contender.name, summarize_stages(contender.runs, report.tensor_bytes)),
              style, out);
  }
  out << '\n';
  if (!any_statistics) return;
  out << "Stages: waits of the I/O thread; decode threads added up, seconds\n" << space;
  print_titles({"contender", "read wait", "staging wait", "decode", "dec. wait", "1st touch",
                "copying", "bound by"},
               style, out);
  for (const ContenderResult& contender : temperature.contenders) {
    if (contender.runs.empty() || !contender.runs.front().statistics) continue;
    print_row(stages_row(contender.name, summarize_stages(contender.runs, report.tensor_bytes)),
              style, out);
  }
  out << '\n';
}

}  // namespace qload::bench
