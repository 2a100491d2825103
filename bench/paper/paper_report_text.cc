#include <algorithm>
#include <array>

#include "bench/paper/paper_report.h"
#include "bench/paper/paper_table6.h"
#include "format/base/format_text.h"

namespace qload::bench {
namespace {

double mega(uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

std::string percent(double share) { return print("%.1f %%", share * 100); }

// In plain text the first column holds names that are longer than a table's usual ones.
std::string wide(const std::string& name, TableStyle style) {
  constexpr size_t kWide = 34;
  std::string padded = name;
  if (style == TableStyle::kText) padded.resize(std::max(kWide, name.size()), ' ');
  return padded;
}

// What compression can save a load that waits for storage alone.
std::string describe_size(uint64_t plain_bytes, uint64_t bytes) {
  const double ratio = static_cast<double>(plain_bytes) / static_cast<double>(bytes);
  return print("%.1f MB, ratio %.3f; a load bound by storage saves %s", mega(bytes), ratio,
               percent(1 - 1 / ratio).c_str());
}

void print_method(const PaperReport& report, TableStyle style, std::ostream& out) {
  Facts facts(out, style);
  print_machine(report.machine, facts);
  facts.add("storage", text(report.machine.file_system, ", read-ahead ", report.machine.read_ahead,
                            ", scheduler ", report.machine.scheduler));
  facts.add("rate", report.rate == 0
                        ? std::string("not limited")
                        : print("%.1f MB/s (%s)", mega(report.rate), report.throttle.c_str()));
  facts.add("models", "synthesised, INT8 with one scale for each tensor, seed 1");
  facts.add("method",
            print("%u cold runs, interleaved in a new order each round; %u threads; answers "
                  "checked; huge pages for destinations: %s",
                  report.runs, report.threads, report.huge_pages ? "yes" : "no"));
  if (report.stream_only) {
    facts.add("stream-only", "layer after layer into memory that is used again");
  }
}

void print_model_facts(const PaperResult& result, TableStyle style, std::ostream& out) {
  Facts facts(out, style);
  facts.add("plain",
            print("%llu tensors, %.1f MB, %s", static_cast<unsigned long long>(result.tensor_count),
                  mega(result.plain_bytes),
                  result.reused ? "an existing file"
                                : print("made in %.1f s", result.make_seconds).c_str()));
  if (result.compressed_bytes > 0) {
    facts.add("zstd -1", describe_size(result.plain_bytes, result.compressed_bytes));
  }
  facts.add("container", describe_size(result.plain_bytes, result.packed_bytes) +
                             print("; packed in %.1f s", result.pack_seconds));
  if (result.piece_count > 0) {
    facts.add("pieces",
              print("%llu, arenas of %.1f MB", static_cast<unsigned long long>(result.piece_count),
                    mega(result.arena_bytes)));
  }
  if (result.throttle_measured_rate > 0) {
    facts.add("rate, proven", print("%.1f MB/s", result.throttle_measured_rate / 1e6));
  }
  out << '\n';
}

constexpr std::array kColumns = {"measured", "median s", "min", "max", "GB/s", "cpu s", "peak MB"};

void print_rows(const PaperResult& result, TableStyle style, std::ostream& out) {
  print_titles({kColumns.begin(), kColumns.end()}, style, out);
  for (const ContenderResult& row : result.rows) {
    if (row.runs.empty()) continue;
    const Spread seconds = seconds_of_row(row);
    std::vector<double> cpu_seconds;
    uint64_t peak_bytes = 0;
    for (const RunSample& run : row.runs) {
      cpu_seconds.push_back(run.usage.cpu_seconds());
      peak_bytes = std::max(peak_bytes, run.peak_bytes);
    }
    print_row(
        {row.name, print("%.3f", seconds.median), print("%.3f", seconds.min),
         print("%.3f", seconds.max),
         print("%.3f", static_cast<double>(result.tensor_bytes) / seconds.median / 1e9),
         print("%.2f", spread_of(std::move(cpu_seconds)).median), print("%.0f", mega(peak_bytes))},
        style, out);
  }
  out << '\n';
}

void print_doubts(const PaperResult& result, std::ostream& out) {
  bool any = false;
  for (const ContenderResult& row : result.rows) {
    if (!row.left_out.empty()) {
      out << row.name << " left out: " << row.left_out << '\n';
      any = true;
    }
    double cached = 0;
    for (const RunSample& run : row.runs) cached = std::max(cached, run.cached_share);
    if (cached > 0) {
      out << print("%s was not cold: up to %.2f %% of its pages were cached\n", row.name.c_str(),
                   cached * 100);
      any = true;
    }
  }
  if (any) out << '\n';
}

void print_reductions(const PaperResult& result, TableStyle style, std::ostream& out) {
  print_titles({wide("load time saved", style), "median", "min", "max", "paper's"}, style, out);
  for (const Reduction& reduction : reductions_of(result)) {
    print_row({wide(text(reduction.row, " against ", reduction.against), style),
               percent(reduction.share.median), percent(reduction.share.min),
               percent(reduction.share.max),
               reduction.quoted ? percent(*reduction.quoted) : std::string("-")},
              style, out);
  }
  out << "\nthe fastest plain row: " << fastest_plain_row(result) << '\n';
}

// Its own table, with its own device: seconds of two machines are not compared.
void print_quoted(TableStyle style, std::ostream& out) {
  out << '\n' << (style == TableStyle::kMarkdown ? "### " : "") << "quoted from the paper\n\n";
  Facts facts(out, style);
  facts.add("source", std::string(kPaperSource));
  facts.add("device", std::string(kPaperDevice));
  facts.add("ratio",
            "of the same models by zstd after SmoothQuant (Table 3); the paper does not "
            "say which models Table 6 loaded");
  out << '\n';
  std::vector<std::string> titles = {"quoted, seconds"};
  std::vector<std::vector<std::string>> rows = {{"mmap-before"}, {"mmap-after"}, {"read-before"},
                                                {"read-after"},  {"mmap saved"}, {"read saved"},
                                                {"zstd ratio"},  {"1 - 1/ratio"}};
  for (const QuotedModel& quoted : quoted_table6()) {
    titles.emplace_back(quoted.model);
    const std::array<std::string, 8> cells = {
        print("%.2f", quoted.mmap_before_seconds), print("%.2f", quoted.mmap_after_seconds),
        print("%.2f", quoted.read_before_seconds), print("%.2f", quoted.read_after_seconds),
        percent(quoted.mmap_reduction()),          percent(quoted.read_reduction()),
        print("%.2f", quoted.zstd_ratio),          percent(1 - 1 / quoted.zstd_ratio)};
    for (size_t row = 0; row < rows.size(); ++row) rows[row].push_back(cells[row]);
  }
  print_titles(titles, style, out);
  for (const std::vector<std::string>& row : rows) print_row(row, style, out);
}

}  // namespace

void print_paper_report(const PaperReport& report, TableStyle style, std::ostream& out) {
  print_method(report, style, out);
  for (const PaperResult& result : report.models) {
    out << '\n' << (style == TableStyle::kMarkdown ? "### " : "") << result.name << "\n\n";
    if (!result.left_out.empty()) {
      out << "left out: " << result.left_out << '\n';
      continue;
    }
    print_model_facts(result, style, out);
    print_rows(result, style, out);
    print_doubts(result, out);
    print_reductions(result, style, out);
  }
  print_quoted(style, out);
}

}  // namespace qload::bench
