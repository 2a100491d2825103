#include "bench/open/open_report.h"

#include <algorithm>
#include <utility>

#include "format/base/format_text.h"

namespace qload::bench {
namespace {

double mega(double bytes) { return bytes / 1e6; }

std::string milliseconds(double seconds) { return print("%.3f", seconds * 1e3); }

void print_model(const OpenedModel& model, TableStyle style, std::ostream& out) {
  out << '\n' << (style == TableStyle::kMarkdown ? "### " : "") << model.name << "\n\n";
  out << print("%llu tensors, container %.1f MB, index %.3f MB; milliseconds, medians\n\n",
               static_cast<unsigned long long>(model.tensor_count),
               mega(static_cast<double>(model.container_bytes)),
               mega(static_cast<double>(model.index_bytes)));
  print_titles({"cache", "tensor MB", "open", "create", "load", "total", "min", "max", "tensor"},
               style, out);
  for (const OpenResult& result : model.results) {
    const OpenSummary summary = summarize_open(result);
    print_row(
        {result.cold ? "cold" : "warm",
         print("%.3f", mega(static_cast<double>(result.tensor_bytes))),
         milliseconds(summary.open_seconds), milliseconds(summary.create_seconds),
         milliseconds(summary.load_seconds), milliseconds(summary.total.median),
         milliseconds(summary.total.min), milliseconds(summary.total.max), "  " + result.tensor},
        style, out);
  }
  out << '\n';
  for (const OpenResult& result : model.results) {
    for (const OpenSample& run : result.runs) {
      if (result.cold ? run.cached_share == 0 : run.cached_share == 1) continue;
      out << print("%s runs were not: %.2f %% of the container's pages were cached\n",
                   result.cold ? "cold" : "warm", run.cached_share * 100);
      break;
    }
  }
}

void print_index_cost(const IndexCost& cost, TableStyle style, std::ostream& out) {
  const auto tensors = static_cast<double>(std::max<uint64_t>(cost.tensor_count, 1));
  const auto index_bytes = static_cast<double>(cost.index_bytes);
  out << '\n' << (style == TableStyle::kMarkdown ? "### " : "") << "index cost\n\n";
  out << print("%llu tensors of %llu bytes, container %.1f MB, packed in %.2f s; warm, medians\n\n",
               static_cast<unsigned long long>(cost.tensor_count),
               static_cast<unsigned long long>(cost.tensor_bytes),
               mega(static_cast<double>(cost.container_bytes)), cost.pack_seconds);
  print_titles({"step", "all", "a tensor"}, style, out);
  const auto row = [&](const char* name, const std::vector<double>& seconds) {
    const double median = spread_of(seconds).median;
    print_row({name, milliseconds(median) + " ms", print("%.3f us", median / tensors * 1e6)}, style,
              out);
  };
  row("Model::open", cost.open_seconds);
  row("find()", cost.find_seconds);
  row("load()", cost.load_seconds);
  const double resident = spread_of(cost.resident_bytes).median;
  print_row({"index, stored", print("%.3f MB", mega(index_bytes)),
             print("%.1f B", index_bytes / tensors)},
            style, out);
  print_row(
      {"index, resident", print("%.3f MB", mega(resident)), print("%.1f B", resident / tensors)},
      style, out);
}

}  // namespace

OpenSummary summarize_open(const OpenResult& result) {
  std::vector<double> open, create, load, total;
  for (const OpenSample& run : result.runs) {
    open.push_back(run.open_seconds);
    create.push_back(run.create_seconds);
    load.push_back(run.load_seconds);
    total.push_back(run.total());
  }
  return {.open_seconds = spread_of(std::move(open)).median,
          .create_seconds = spread_of(std::move(create)).median,
          .load_seconds = spread_of(std::move(load)).median,
          .total = spread_of(std::move(total))};
}

void print_open(const OpenReport& report, TableStyle style, std::ostream& out) {
  Facts facts(out, style);
  print_machine(report.machine, facts);
  facts.add("storage", text(report.machine.file_system, ", read-ahead ", report.machine.read_ahead,
                            ", scheduler ", report.machine.scheduler));
  facts.add("method", text(report.runs, " runs, interleaved; ", report.threads,
                           " threads; each tensor's digest checked"));
  facts.add("cold by", report.cold_method);
  for (const OpenedModel& model : report.models) print_model(model, style, out);
  if (report.index_cost) print_index_cost(*report.index_cost, style, out);
}

}  // namespace qload::bench
