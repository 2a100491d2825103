#include <algorithm>
#include <array>

#include "bench/paper/paper_report.h"
#include "bench/paper/paper_table6.h"
#include "format/base/format_text.h"
#include "tools/chart/render_chart.h"

namespace qload::bench {
namespace {

using chart::BarPlot;
using chart::BarSeries;
using chart::Color;
using chart::Panel;

struct RowColor {
  std::string_view row;
  Color color;
};
constexpr std::array kRowColors = {
    RowColor{"mmap-before", Color::kSky},    RowColor{"mmap-after", Color::kBlue},
    RowColor{"read-before", Color::kOrange}, RowColor{"read-after", Color::kRed},
    RowColor{"odirect-uring", Color::kGrey}, RowColor{"qload", Color::kGreen},
};

Color color_of(std::string_view row) {
  const auto found = std::ranges::find(kRowColors, row, &RowColor::row);
  return found == kRowColors.end() ? Color::kPink : found->color;
}

std::vector<const PaperResult*> models_that_ran(const PaperReport& report) {
  std::vector<const PaperResult*> models;
  for (const PaperResult& model : report.models) {
    if (model.left_out.empty()) models.push_back(&model);
  }
  return models;
}

std::vector<std::string> names_of(const std::vector<const PaperResult*>& models) {
  std::vector<std::string> names;
  for (const PaperResult* model : models) {
    names.push_back(
        text(model->name, print(" (%.2f GB)", static_cast<double>(model->plain_bytes) / 1e9)));
  }
  return names;
}

/// The series of that name, made when there is none.
BarSeries& series_of(BarPlot& plot, const std::string& name, std::string_view row, bool outlined) {
  for (BarSeries& series : plot.series) {
    if (series.name == name) return series;
  }
  plot.series.push_back({.name = name, .color = color_of(row), .outlined = outlined});
  plot.series.back().bars.resize(plot.groups.size());
  return plot.series.back();
}

Panel seconds_panel(const std::vector<const PaperResult*>& models) {
  BarPlot plot{
      .value_label = "load time, seconds", .groups = names_of(models), .series = {}, .decimals = 2};
  for (size_t group = 0; group < models.size(); ++group) {
    for (const ContenderResult& row : models[group]->rows) {
      if (row.runs.empty()) continue;
      const Spread seconds = seconds_of_row(row);
      series_of(plot, row.name, row.name, false).bars[group] = {
          .value = seconds.median, .low = seconds.min, .high = seconds.max};
    }
  }
  return {.title = "Load time, page cache cold (measured here)",
          .subtitle = "Models in INT8, one scale for each tensor, with their uncompressed size",
          .plot = std::move(plot)};
}

// Against two baselines qload needs two colours.
std::string_view color_row_of(const Reduction& reduction) {
  return reduction.row == "qload" && reduction.against != "odirect-uring" ? reduction.against
                                                                          : reduction.row;
}

Panel reductions_panel(const std::vector<const PaperResult*>& models) {
  BarPlot plot{.value_label = "load time saved, per cent",
               .groups = names_of(models),
               .series = {},
               .decimals = 1};
  for (size_t group = 0; group < models.size(); ++group) {
    for (const Reduction& reduction : reductions_of(*models[group])) {
      const std::string name = text(reduction.row, " against ", reduction.against);
      const Spread& share = reduction.share;
      series_of(plot, name, color_row_of(reduction), false).bars[group] = {
          .value = share.median * 100, .low = share.min * 100, .high = share.max * 100};
      if (!reduction.quoted) continue;
      const double quoted = *reduction.quoted * 100;
      series_of(plot, text(reduction.row, ", the paper's"), reduction.row, true).bars[group] = {
          .value = quoted, .low = quoted, .high = quoted};
    }
  }
  return {.title = "Load-time reduction, beside the paper's (dashed: quoted, its device)",
          .plot = std::move(plot)};
}

}  // namespace

std::string paper_report_to_svg(const PaperReport& report) {
  const std::vector<const PaperResult*> models = models_that_ran(report);
  chart::Chart chart{.title = "Loading INT8 OPT models: the paper's Table 6 on this machine",
                     .description = "Bars of load times and of their reduction, by model.",
                     .panels = {seconds_panel(models), reductions_panel(models)}};
  chart.subtitles.push_back(
      text(report.rate > 0
               ? print("storage limited to %.0f MB/s", static_cast<double>(report.rate) / 1e6)
               : std::string("storage not limited"),
           report.stream_only ? ", layer after layer into reused memory" : "", ", ", report.threads,
           " threads; bars: median, whiskers: least and most, of ", report.runs,
           report.runs == 1 ? " run" : " runs"));
  chart.subtitles.push_back(text(report.machine.cpu, ", ", report.machine.file_system));
  chart.notes.push_back(text("Quoted: ", kPaperSource.substr(0, kPaperSource.find(": ")), ":"));
  chart.notes.push_back(text(kPaperSource.substr(kPaperSource.find(": ") + 2), "."));
  chart.notes.push_back(text("The paper's device: ", kPaperDevice, "."));
  return chart::render_chart(chart, {});
}

}  // namespace qload::bench
