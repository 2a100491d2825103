#include "bench/load/bench_report.h"

#include <array>

#include "bench/load/load_stages.h"
#include "bench/load/report_table.h"
#include "format/base/format_text.h"

namespace qload::bench {
namespace {

double giga(double bytes) { return bytes / 1e9; }
double mega(uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

void print_model(const LoadReport& report, Facts& facts) {
  facts.add("model",
            print("%s: %llu tensors in %llu files, %.1f MB", report.model.c_str(),
                  static_cast<unsigned long long>(report.tensor_count),
                  static_cast<unsigned long long>(report.file_count), mega(report.plain_bytes)));
  const auto plain = static_cast<double>(report.plain_bytes);
  if (report.packed_bytes > 0) {
    facts.add("container", print("%.1f MB, ratio %.4f%s", mega(report.packed_bytes),
                                 plain / static_cast<double>(report.packed_bytes),
                                 report.pack_seconds > 0
                                     ? print(", packed in %.2f s", report.pack_seconds).c_str()
                                     : ""));
  }
  if (report.compressed_bytes > 0) {
    facts.add("zstd -1", print("%.1f MB, ratio %.4f", mega(report.compressed_bytes),
                               plain / static_cast<double>(report.compressed_bytes)));
  }
  facts.add("method",
            print("%u runs, interleaved in a new order each round; %u threads; answers checked; "
                  "huge pages for read destinations: %s",
                  report.runs, report.threads, report.huge_pages ? "yes" : "no"));
  facts.add("cold by", report.cold_method);
  if (!report.throttle.empty()) {
    facts.add("throttle", print("%s: %.1f MB/s, measured %.1f MB/s", report.throttle.c_str(),
                                mega(report.throttle_rate), report.throttle_measured_rate / 1e6));
  }
}

constexpr std::array kColumns = {"contender", "median s", "min",   "max",
                                 "GB/s",      "x read-1", "cpu s", "peak MB"};

std::vector<std::string> row_of(const LoadReport& report, const TemperatureResult& temperature,
                                const ContenderResult& contender) {
  const ContenderSummary summary = summarize(report, temperature, contender);
  return {contender.name,
          print("%.3f", summary.seconds.median),
          print("%.3f", summary.seconds.min),
          print("%.3f", summary.seconds.max),
          print("%.3f", giga(summary.decoded_rate)),
          summary.speed_up > 0 ? print("%.2f", summary.speed_up) : "-",
          print("%.2f", summary.cpu_seconds.median),
          print("%.0f", mega(summary.peak_bytes))};
}

void print_table(const LoadReport& report, const TemperatureResult& temperature, TableStyle style,
                 std::ostream& out) {
  print_titles({kColumns.begin(), kColumns.end()}, style, out);
  for (const ContenderResult& contender : temperature.contenders) {
    if (contender.left_out.empty()) print_row(row_of(report, temperature, contender), style, out);
  }
  out << '\n';
  for (const ContenderResult& contender : temperature.contenders) {
    if (!contender.left_out.empty()) {
      out << contender.name << " left out: " << contender.left_out << '\n';
      continue;
    }
    const double cached = summarize(report, temperature, contender).cached_share;
    if (temperature.cold && cached > 0) {
      out << print("%s was not cold: up to %.2f %% of its pages were cached\n",
                   contender.name.c_str(), cached * 100);
    } else if (!temperature.cold && cached < 1) {
      out << print("%s was not warm: only %.2f %% of its pages were cached\n",
                   contender.name.c_str(), cached * 100);
    }
  }
  if (const auto best = compare_with_best_plain(temperature)) {
    const bool faster = best->speed_up >= 1;
    out << print(
        "qload is %.3f times as %s as %s, the best plain contender (median of per-round ratios)\n",
        faster ? best->speed_up : 1 / best->speed_up, faster ? "fast" : "slow", best->name.c_str());
  }
}

void print_roofline(const TemperatureResult& temperature, std::ostream& out) {
  if (temperature.pairs.empty()) return;
  std::vector<double> storage, decode, touch, seconds, cpu_seconds, efficiency;
  for (const RooflinePair& pair : temperature.pairs) {
    storage.push_back(giga(pair.storage_rate));
    decode.push_back(giga(pair.decode_rate));
    touch.push_back(giga(pair.touch_rate));
    seconds.push_back(pair.seconds);
    cpu_seconds.push_back(pair.cpu_seconds);
    efficiency.push_back(pair.efficiency());
  }
  out << print("roofline: S %.3f GB/s (%s), D %.3f GB/s, F %.3f GB/s (medians)\n",
               spread_of(storage).median,
               temperature.cold ? "container, no decoding" : "cached container, pread threads",
               spread_of(decode).median, spread_of(touch).median);
  const Spread spread = spread_of(efficiency);
  out << print(
      "roofline: max(C/S, R/D, R/F) %.3f s; decode and first touch share the "
      "processors: R/D + R/F %.3f s\n",
      spread_of(seconds).median, spread_of(cpu_seconds).median);
  out << print("efficiency of qload: %.3f (median of per-pair ratios, %.3f to %.3f)\n",
               spread.median, spread.min, spread.max);
}

void print_statistics(const LoadReport& report, const TemperatureResult& temperature,
                      std::ostream& out) {
  for (const ContenderResult& contender : temperature.contenders) {
    if (contender.runs.empty()) continue;
    const RunSample& run = contender.runs[summarize(report, temperature, contender).median_run];
    if (!run.statistics) continue;
    const LoadStatistics& s = *run.statistics;
    out << print(
        "%s, median run: engine %s, %s, bound by %s; load() %.3f s, %llu reads of "
        "%.1f MB (%.1f MB in place), %.1f of %.1f MB pinned, huge pages %s\n",
        contender.name.c_str(), io_backend_name(s.engine),
        s.direct        ? "direct"
        : s.cached_file ? "buffered, file cached"
                        : "buffered",
        load_stage_name(s.bound), s.seconds, static_cast<unsigned long long>(s.read_count),
        mega(s.bytes_read), mega(s.bytes_read_in_place), mega(s.pinned_bytes),
        mega(s.destination_bytes), s.huge_pages ? "yes" : "no");
    out << print(
        "    waits: read %.3f s, staging %.3f s, decode %.3f s; busy: decode %.3f s, "
        "prefault %.3f s on %u threads; staging %.1f MB, registered files %s, buffers %s\n",
        s.read_wait_seconds, s.staging_wait_seconds, s.decode_wait_seconds, s.decode_busy_seconds,
        s.prefault_busy_seconds, s.decode_threads, mega(s.staging_bytes),
        s.registered_files ? "yes" : "no", s.registered_buffers ? "yes" : "no");
  }
}

}  // namespace

void print_report(const LoadReport& report, TableStyle style, ReportDetail detail,
                  std::ostream& out) {
  Facts facts(out, style);
  print_machine(report.machine, facts);
  facts.add("storage", text(report.machine.file_system, ", read-ahead ", report.machine.read_ahead,
                            ", scheduler ", report.machine.scheduler));
  print_model(report, facts);
  if (report.sweep_rate > 0) {
    facts.add("sweep", print("best %u KiB x %u in flight, %.3f GB/s (%s, unthrottled)%s",
                             report.sweep_shape.read_bytes / 1024, report.sweep_shape.depth,
                             giga(report.sweep_rate), report.sweep_method.c_str(),
                             report.roofline_sampled_share < 1
                                 ? print("; D of a sample of %.0f %% of the chunks",
                                         report.roofline_sampled_share * 100)
                                       .c_str()
                                 : ""));
  }
  for (const TemperatureResult& temperature : report.temperatures) {
    const char* title = temperature.cold ? "cold" : "warm";
    out << '\n' << (style == TableStyle::kMarkdown ? "### " : "") << title << "\n\n";
    print_table(report, temperature, style, out);
    print_roofline(temperature, out);
    if (detail == ReportDetail::kStages) print_stages(report, temperature, style, out);
    print_statistics(report, temperature, out);
  }
}

}  // namespace qload::bench
