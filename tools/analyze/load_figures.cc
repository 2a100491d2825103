// Load time against storage rate, and where packing stops paying.
#include "format/base/format_text.h"
#include "tools/analyze/report_figures.h"
#include "tools/report/size_text.h"

namespace qload::analyze {
namespace {

using chart::PointSeries;
using chart::ReferenceLine;

double gigabytes(double bytes) { return bytes / 1e9; }

std::vector<ReferenceLine> rates_of(const LoadPrediction& load) {
  std::vector<ReferenceLine> lines;
  lines.push_back(
      {ReferenceLine::Axis::kX, gigabytes(load.at_target.storage_bytes_per_second),
       text(load.target, ", ", tools::format_rate(load.at_target.storage_bytes_per_second))});
  if (load.payoff == Payoff::kUpTo) {
    lines.push_back({ReferenceLine::Axis::kX, gigabytes(load.break_even_rate),
                     text("pays up to ", tools::format_rate(load.break_even_rate))});
  }
  return lines;
}

chart::Panel time_panel(const LoadPrediction& load) {
  PointSeries plain{.name = "plain", .color = chart::Color::kOrange};
  PointSeries packed{.name = "packed", .color = chart::Color::kBlue};
  for (const LoadPoint& point : load.curve) {
    const double rate = gigabytes(point.storage_bytes_per_second);
    plain.points.push_back({rate, point.plain_seconds});
    packed.points.push_back({rate, point.packed_seconds});
  }
  return {.title = "Load time",
          .plot = chart::PointPlot{.x = {.label = "storage, GB/s", .logarithmic = true},
                                   .y = {.label = "seconds", .logarithmic = true},
                                   .series = {std::move(plain), std::move(packed)},
                                   .references = rates_of(load)}};
}

chart::Panel gain_panel(const LoadPrediction& load) {
  PointSeries gain{.name = "packed against plain", .color = chart::Color::kBlue};
  for (const LoadPoint& point : load.curve) {
    if (!(point.packed_seconds > 0)) continue;
    gain.points.push_back(
        {gigabytes(point.storage_bytes_per_second), point.plain_seconds / point.packed_seconds});
  }
  std::vector<ReferenceLine> references = rates_of(load);
  references.push_back({ReferenceLine::Axis::kY, 1, "no gain"});
  return {.title = "Gain",
          .plot = chart::PointPlot{.x = {.label = "storage, GB/s", .logarithmic = true},
                                   .y = {.label = "plain load time by packed load time"},
                                   .series = {std::move(gain)},
                                   .references = std::move(references)}};
}

NumberTable load_numbers(const LoadPrediction& load) {
  NumberTable table{.titles = {">storage", ">plain", ">packed", ">gain"}, .rows = {}};
  for (const LoadPoint& point : load.curve) {
    const bool is_known = point.packed_seconds > 0;
    table.rows.push_back(
        {tools::format_rate(point.storage_bytes_per_second), seconds_text(point.plain_seconds),
         seconds_text(point.packed_seconds),
         number_text(
             is_known ? std::optional(point.plain_seconds / point.packed_seconds) : std::nullopt,
             2)});
  }
  return table;
}

std::string payoff_text(const LoadPrediction& load) {
  switch (load.payoff) {
    case Payoff::kAlways:
      return "Packing pays at any rate.";
    case Payoff::kNever:
      return "Packing does not pay.";
    case Payoff::kUpTo:
      break;
  }
  return text("Packing pays up to ", tools::format_rate(load.break_even_rate), " of storage.");
}

}  // namespace

ReportSection load_section(const ModelAnalysis& analysis) {
  ReportSection section{.name = "loading", .title = "Loading", .figures = {}};
  const LoadPrediction& load = analysis.load;
  if (load.curve.empty() || analysis.total.bytes == 0) return section;
  section.figures.push_back(
      {.name = "load_time",
       .chart = {.title = "Load time against storage rate",
                 .description =
                     text("Lines: load times of the plain and the packed model as storage "
                          "gets faster. ",
                          payoff_text(load)),
                 .panels = {time_panel(load), gain_panel(load)},
                 .columns = 2},
       .caption = text("Predicted for the processors of ", load.target,
                       load.target_description.empty() ? "" : " (", load.target_description,
                       load.target_description.empty() ? "" : ")",
                       ", page cache cold, with storage of any rate. ", payoff_text(load)),
       .numbers = load_numbers(load)});
  return section;
}

}  // namespace qload::analyze
