#include "bench/codec/codec_report.h"
#include "format/base/format_text.h"

namespace qload::bench {
namespace {

double giga(double bytes) { return bytes / 1e9; }
double mega(uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

std::string size_name(uint64_t bytes) {
  if (bytes % (1u << 20) == 0) return text(bytes >> 20, " MiB");
  if (bytes % (1u << 10) == 0) return text(bytes >> 10, " KiB");
  return text(bytes, " bytes");
}

std::string joined(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return all;
}

std::string ratio_cell(double ratio) { return ratio > 0 ? print("%.2f", ratio) : "-"; }

const char* mode_sentence(CodecMode mode) {
  switch (mode) {
    case CodecMode::kDecode:
      return "decoding into mapped memory, one processor, GB/s of decoded bytes by processor time";
    case CodecMode::kEncode:
      return "encoding, one processor, GB/s of decoded bytes by processor time";
    case CodecMode::kThreads:
      return "decoding by pinned threads, each with its own chunks, GB/s of decoded bytes by wall "
             "time";
  }
  return "";
}

std::vector<std::string> titles_of(CodecMode mode) {
  if (mode == CodecMode::kThreads) {
    return {"contender", "threads",  "GB/s",     "min", "max",
            "x fewest",  "x zstd-1", "x memcpy", "busy"};
  }
  return {"contender", "GB/s", "min", "max", "ratio", "x zstd-1", "x memcpy"};
}

std::vector<std::string> cells_of(const CodecReport& report, const CodecTable& table,
                                  const CodecRow& row) {
  const CodecSummary summary = summarize(report, table, row);
  std::vector<std::string> cells = {row.name};
  if (report.mode == CodecMode::kThreads) cells.push_back(text(row.threads));
  for (const double rate : {summary.rate.median, summary.rate.min, summary.rate.max}) {
    cells.push_back(print("%.3f", giga(rate)));
  }
  cells.push_back(report.mode == CodecMode::kThreads ? ratio_cell(summary.over_fewest)
                                                     : print("%.4f", summary.ratio));
  cells.push_back(ratio_cell(summary.over_baseline));
  cells.push_back(ratio_cell(summary.over_copy));
  if (report.mode == CodecMode::kThreads) cells.push_back(print("%.2f", summary.busy_share));
  return cells;
}

std::string table_facts(const CodecTable& table) {
  std::string facts =
      print("%s; %.1f MB in %llu chunks; %s; filters: %s; %.2f bits of order-0 entropy a byte",
            table.description.c_str(), mega(table.bytes / table.copies),
            static_cast<unsigned long long>(table.chunk_count), table.dtypes.c_str(),
            table.filters.c_str(), table.entropy_bits);
  if (table.copies > 1) facts += text("; ", table.copies, " copies in memory");
  if (table.kept_share < 1) facts += print("; %.0f %% of the file", table.kept_share * 100);
  return facts;
}

}  // namespace

void print_codec_facts(const CodecReport& report, TableStyle style, std::ostream& out) {
  Facts facts(out, style);
  print_machine(report.machine, facts);
  facts.add("lane kernels", text(joined(report.kernels), "; chosen: ", report.chosen_kernel));
  facts.add("measured", mode_sentence(report.mode));
  std::vector<std::string> processors;
  for (const uint32_t processor : report.processors) processors.push_back(text(processor));
  facts.add(
      "method",
      print(
          "%u rounds, interleaved in a new order each round, at least %.3f s "
          "each; answers checked; processors %s; a filtered stream is coded when it saves %.1f %%",
          report.rounds, report.seconds_min, joined(processors).c_str(), report.gain_min * 100));
}

void print_codec_table(const CodecReport& report, const CodecTable& table, TableStyle style,
                       std::ostream& out) {
  out << '\n'
      << (style == TableStyle::kMarkdown ? "### " : "") << table.data << ", chunks of "
      << size_name(table.chunk_bytes) << '\n';
  if (style == TableStyle::kMarkdown) out << '\n';
  out << table_facts(table) << "\n\n";
  print_titles(titles_of(report.mode), style, out);
  for (const CodecRow& row : table.rows) {
    if (row.left_out.empty()) print_row(cells_of(report, table, row), style, out);
  }
}

}  // namespace qload::bench
