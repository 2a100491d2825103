// What values look like before and after quantization: the paper's Figure 1.
#include <cmath>
#include <cstdio>

#include "format/base/format_text.h"
#include "tools/analyze/report_figures.h"
#include "tools/report/size_text.h"

namespace qload::analyze {
namespace {

using Bins = ValueHistogram::Bins;

constexpr size_t kPlainColumns = 3;

std::string short_number(double value) {
  char buffer[32];
  const int length = std::snprintf(buffer, sizeof buffer, "%.3g", value);
  return std::string(buffer, static_cast<size_t>(length));
}

/// Of codes at the middle of their bins.
std::vector<chart::HistogramTick> code_ticks(const ValueHistogram& histogram) {
  std::vector<chart::HistogramTick> ticks;
  const double count = static_cast<double>(histogram.counts.size());
  const double step = count > 32 ? 64 : 4;
  const double first = std::ceil(histogram.lower / step) * step;
  const auto add = [&](double code) {
    ticks.push_back({(code - histogram.lower + 0.5) / count, short_number(code)});
  };
  for (double code = first; code <= histogram.upper - step / 2; code += step) add(code);
  add(histogram.upper);
  return ticks;
}

std::vector<chart::HistogramTick> value_ticks(const ValueHistogram& histogram) {
  const double absmax = histogram.upper;
  return {{0, short_number(-absmax)},
          {0.25, short_number(-absmax / 2)},
          {0.5, "0"},
          {0.75, short_number(absmax / 2)},
          {1, short_number(absmax)}};
}

chart::HistogramPlot plot_of(const ValueHistogram& histogram, chart::Color color) {
  const bool codes = histogram.bins == Bins::kCodes;
  return {.value_label = codes ? "code" : "value",
          .ticks = codes ? code_ticks(histogram) : value_ticks(histogram),
          .counts = histogram.counts,
          .color = color};
}

std::string bits_text(double bits) {
  return text(tools::format_fixed(bits, 2), " bits a code",
              bits > 0 ? text(": at most ", tools::format_fixed(8 / bits, 2), " : 1") : "");
}

chart::Panel codes_panel(std::string title, const Int8Codes& codes) {
  return {.title = std::move(title),
          .subtitle = bits_text(codes.bits_per_code),
          .plot = plot_of(codes.histogram, chart::Color::kGrey)};
}

std::string spread_text(const ValueStatistics& values) {
  const auto spread = values.absmax_in_deviations();
  return spread ? text("largest value ", number_text(spread, 1), " standard deviations")
                : std::string("no spread");
}

std::string shape_text(const TensorAnalysis& tensor) { return tools::format_shape(tensor.shape); }

NumberTable value_numbers() {
  return {.titles = {"tensor", "as", ">values", ">NaN", ">infinite", ">zeros", ">least", ">most",
                     ">mean", ">deviation", ">absmax/std", ">kurtosis", ">bits/value"},
          .rows = {}};
}

std::vector<std::string> value_row(const TensorAnalysis& tensor, std::string as,
                                   std::optional<double> bits) {
  const ValueStatistics& values = tensor.values;
  return {tensor_label(tensor),
          std::move(as),
          std::to_string(values.value_count),
          std::to_string(values.nan_count),
          std::to_string(values.infinity_count),
          std::to_string(values.zero_count),
          short_number(values.minimum),
          short_number(values.maximum),
          short_number(values.mean),
          short_number(values.deviation),
          number_text(values.absmax_in_deviations(), 2),
          number_text(values.kurtosis, 2),
          number_text(bits, 3)};
}

/// What tensors of floats are, and what INT8 would make of them.
ReportFigure preview_figure(const TensorAnalysis& tensor, const Int8Preview& int8) {
  const std::string_view kind = tensor_kind_name(tensor.kind);
  chart::Chart chart{.title = text(kind, ": ", tensor_label(tensor)),
                     .description = text("Histograms of the largest ", kind,
                                         " tensor: values, and codes of INT8."),
                     .subtitles = {text(tensor.dtype_name, " ", shape_text(tensor))},
                     .panels = {}};
  chart.panels.push_back({.title = text("Values, ", tensor.dtype_name),
                          .subtitle = spread_text(tensor.values),
                          .plot = plot_of(tensor.histogram, kind_color(tensor.kind))});
  chart.panels.push_back(codes_panel("INT8, one scale for the tensor", int8.tensor_wise));
  if (int8.row_wise) {
    chart.panels.push_back(codes_panel("INT8, a scale for each row", *int8.row_wise));
  }
  chart.columns = chart.panels.size();
  NumberTable numbers = value_numbers();
  numbers.rows.push_back(value_row(tensor, tensor.dtype_name, tensor.figures.bits_per_value()));
  numbers.rows.push_back(value_row(tensor, "INT8 by tensor", int8.tensor_wise.bits_per_code));
  if (int8.row_wise) {
    numbers.rows.push_back(value_row(tensor, "INT8 by row", int8.row_wise->bits_per_code));
  }
  return {.name = text("values_", kind),
          .chart = std::move(chart),
          .caption = text(tensor.dtype_name, " ", shape_text(tensor), ", ",
                          bytes_text(static_cast<double>(tensor.figures.bytes)),
                          ": the largest of its kind. Codes: what quantizing it would give."),
          .numbers = std::move(numbers)};
}

/// What is there, side by side.
ReportFigure plain_figure(const ModelAnalysis& analysis, std::span<const ValuePreview> previews) {
  ReportFigure figure{
      .name = "values",
      .chart = {.title = "Values of the largest tensor of each kind",
                .description = "Histograms of values or codes, one for each kind of tensor.",
                .panels = {},
                .columns = kPlainColumns},
      .caption = "Codes as they are stored; floats from -absmax to absmax.",
      .numbers = value_numbers()};
  for (const ValuePreview& preview : previews) {
    if (preview.int8) continue;
    const TensorAnalysis& tensor = analysis.tensors[preview.tensor];
    figure.chart.panels.push_back(
        {.title = text(tensor_kind_name(tensor.kind), ", ", tensor.dtype_name),
         .subtitle = tensor_label(tensor),
         .plot = plot_of(tensor.histogram, kind_color(tensor.kind))});
    figure.numbers.rows.push_back(
        value_row(tensor, tensor.dtype_name, tensor.figures.bits_per_value()));
  }
  return figure;
}

}  // namespace

ReportSection value_section(const ModelAnalysis& analysis, std::span<const ValuePreview> previews) {
  ReportSection section{.name = "look", .title = "What the values look like", .figures = {}};
  bool has_plain = false;
  for (const ValuePreview& preview : previews) {
    if (preview.int8) {
      section.figures.push_back(preview_figure(analysis.tensors[preview.tensor], *preview.int8));
    } else {
      has_plain = true;
    }
  }
  if (has_plain) section.figures.push_back(plain_figure(analysis, previews));
  return section;
}

}  // namespace qload::analyze
