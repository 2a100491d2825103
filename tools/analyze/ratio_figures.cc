// What compresses: ratios by kind and layer, the paper's Figure 3, and why.
#include <algorithm>
#include <cmath>
#include <map>

#include "format/base/format_text.h"
#include "tools/analyze/analysis_rows.h"
#include "tools/analyze/report_figures.h"

namespace qload::analyze {
namespace {

using chart::PointSeries;

// A kind of fewer bytes does not stretch an axis.
constexpr double kWeightyShare = 0.01;
// Whiskers leave out a tenth of the tensors at each end, where there are so many.
constexpr size_t kTenthsMin = 10;
constexpr size_t kStacksMax = 4;
constexpr size_t kDottedLayersMax = 64;
constexpr size_t kLayersMax = 1000;  // More have no pixel of their own.
constexpr size_t kSpreadTensorsMax = 500;
constexpr double kBellConstant = 524.9;  // As in ValueStatistics::bell_int8_bits().
constexpr int kBellPoints = 60;

std::optional<double> packed_ratio(const Figures& figures) {
  return ratio(figures.bytes, figures.packed.stored_bytes);
}

struct Spread {
  double low = 0;
  double high = 0;
};

/// Of the packed ratios of the tensors of each kind: the middle 80 %, or all of fewer than ten.
std::map<TensorKind, Spread> spreads_of(const ModelAnalysis& analysis) {
  std::map<TensorKind, std::vector<double>> ratios;
  for (const TensorAnalysis& tensor : analysis.tensors) {
    const auto packed = packed_ratio(tensor.figures);
    if (packed && !tensor.same_as) ratios[tensor.kind].push_back(*packed);
  }
  std::map<TensorKind, Spread> spreads;
  for (auto& [kind, values] : ratios) {
    std::ranges::sort(values);
    const size_t cut = values.size() < kTenthsMin ? 0 : values.size() / 10;
    spreads[kind] = {values[cut], values[values.size() - 1 - cut]};
  }
  return spreads;
}

ReportFigure kind_figure(const ModelAnalysis& analysis) {
  const std::map<TensorKind, Spread> spreads = spreads_of(analysis);
  chart::BarPlot plot{.value_label = "ratio: bytes by stored bytes",
                      .groups = {},
                      .series = {{.name = "packed by qpack", .color = chart::Color::kBlue},
                                 {.name = "order-0 bound, tables by chunk",
                                  .color = chart::Color::kGrey,
                                  .outlined = true}},
                      .decimals = 3};
  NumberTable numbers{.titles = {"kind", ">tensors", ">share", ">bits/value", ">packed", ">low",
                                 ">high", ">bound", ">zstd", ">huffman", ">fse", ">zstd literals"},
                      .rows = {}};
  double weighty = 0;
  double highest = 0;
  const auto total = static_cast<double>(analysis.total.bytes);
  for (const KindAnalysis& kind : analysis.kinds) {
    const Figures& figures = kind.figures;
    const auto packed = packed_ratio(figures);
    if (!packed) continue;
    const auto bound = chunk_ratio_bound(figures);
    const auto spread = spreads.find(kind.kind);
    const Spread range = spread == spreads.end() ? Spread{*packed, *packed} : spread->second;
    const std::string name(tensor_kind_name(kind.kind));
    plot.groups.push_back(name);
    plot.series[0].bars.push_back(chart::Bar{*packed, range.low, range.high});
    plot.series[1].bars.push_back(bound ? std::optional(chart::Bar{*bound, *bound, *bound})
                                        : std::nullopt);
    highest = std::max({highest, *packed, bound.value_or(0)});
    if (static_cast<double>(figures.bytes) >= kWeightyShare * total) {
      weighty = std::max({weighty, *packed, bound.value_or(0)});
    }
    std::vector<std::string> row = {name,
                                    std::to_string(figures.tensor_count),
                                    percent_text(static_cast<double>(figures.bytes), total),
                                    number_text(figures.bits_per_value(), 3),
                                    number_text(packed, 3),
                                    number_text(range.low, 3),
                                    number_text(range.high, 3),
                                    number_text(bound, 3)};
    for (const CodecFigures& codec : figures.codecs) {
      row.push_back(number_text(ratio(figures.bytes, codec.stored_bytes), 3));
    }
    numbers.rows.push_back(std::move(row));
  }
  plot.value_max = std::max(1.5 * (weighty > 0 ? weighty : highest), 1.0);
  return {.name = "ratio_by_kind",
          .chart = {.title = "Compression ratio by kind of tensor",
                    .description = "Bars: the ratio of each kind as packed, and the bound that its "
                                   "entropy sets.",
                    .panels = {{.title = "", .plot = std::move(plot)}}},
          .caption =
              "Whiskers: the middle 80 % of the kind's tensors (all, of fewer than ten). The "
              "bound is that of codes that look at each byte alone; match search can pass "
              "it where bytes repeat.",
          .numbers = std::move(numbers)};
}

struct LayerBytes {
  double bytes = 0;
  double stored = 0;
};
using LayerSums = std::map<uint32_t, LayerBytes>;

struct StackSums {
  LayerSums all;
  std::map<TensorKind, LayerSums> kinds;  // By kind_group().
};

std::map<uint32_t, StackSums> stacks_of(const ModelAnalysis& analysis) {
  std::map<uint32_t, StackSums> stacks;
  for (const TensorAnalysis& tensor : analysis.tensors) {
    if (tensor.layer == kNoLayer || tensor.same_as) continue;
    StackSums& stack = stacks[tensor.stack];
    LayerSums& kind = stack.kinds[kind_group(tensor.kind)];
    for (LayerBytes* sum : {&stack.all[tensor.layer], &kind[tensor.layer]}) {
      sum->bytes += static_cast<double>(tensor.figures.bytes);
      sum->stored += tensor.figures.packed.stored_bytes;
    }
  }
  return stacks;
}

double bytes_of(const LayerSums& layers) {
  double bytes = 0;
  for (const auto& [layer, sum] : layers) bytes += sum.bytes;
  return bytes;
}

PointSeries layer_series(std::string name, chart::Color color, const LayerSums& layers) {
  PointSeries series{.name = std::move(name), .color = color};
  if (layers.size() <= kDottedLayersMax) series.marks = PointSeries::Marks::kLineAndDots;
  for (const auto& [layer, sum] : layers) {
    if (!(sum.stored > 0)) continue;
    if (series.points.size() == kLayersMax) break;
    const double value = sum.bytes / sum.stored;
    series.points.push_back(
        {static_cast<double>(layer), value,
         text("layer ", layer, ", ", series.name, ": ", number_text(value, 3))});
  }
  return series;
}

chart::Panel stack_panel(uint32_t stack, const StackSums& sums, bool only) {
  chart::PointPlot plot{.x = {.label = "layer"}, .y = {.label = "ratio"}, .series = {}};
  const double all = bytes_of(sums.all);
  for (const auto& [kind, layers] : sums.kinds) {
    if (bytes_of(layers) < kWeightyShare * all) continue;
    plot.series.push_back(layer_series(kind_group_name(kind), kind_color(kind), layers));
  }
  plot.series.push_back(layer_series("whole layer", chart::Color::kInk, sums.all));
  return {.title = only ? "" : text("Stack ", stack), .plot = std::move(plot)};
}

std::optional<ReportFigure> layer_figure(const ModelAnalysis& analysis) {
  const std::map<uint32_t, StackSums> stacks = stacks_of(analysis);
  if (stacks.empty()) return std::nullopt;
  ReportFigure figure{
      .name = "ratio_by_layer",
      .chart = {.title = "Compression ratio by layer",
                .description =
                    "Lines: the packed ratio of each kind of tensor from the first layer "
                    "to the last.",
                .panels = {}},
      .caption = "As packed, for the kinds that have a percent of the layers' bytes or more.",
      .numbers = {.titles = {"layer", ">bytes", ">packed bytes", ">ratio"}, .rows = {}}};
  bool is_cut = false;
  for (const auto& [stack, sums] : stacks) {
    is_cut = is_cut || sums.all.size() > kLayersMax;
    if (figure.chart.panels.size() < kStacksMax) {
      figure.chart.panels.push_back(stack_panel(stack, sums, stacks.size() == 1));
    }
    for (const auto& [layer, sum] : sums.all) {
      figure.numbers.rows.push_back(
          {layer_name(stack, layer), bytes_text(sum.bytes), bytes_text(sum.stored),
           number_text(sum.stored > 0 ? std::optional(sum.bytes / sum.stored) : std::nullopt, 3)});
    }
  }
  if (is_cut) figure.caption += text(" The first ", kLayersMax, " layers.");
  figure.chart.columns = figure.chart.panels.size() > 1 ? 2 : 1;
  if (stacks.size() > kStacksMax) {
    figure.caption += text(" The first ", kStacksMax, " of ", stacks.size(), " stacks.");
  }
  return figure;
}

/// A tensor in INT8: its own codes, or those that it would have.
struct SpreadPoint {
  const TensorAnalysis* tensor = nullptr;
  double spread = 0;
  double bits = 0;
};

std::vector<SpreadPoint> spread_points(const ModelAnalysis& analysis,
                                       std::span<const ValuePreview> previews) {
  std::vector<SpreadPoint> points;
  for (const TensorAnalysis& tensor : analysis.tensors) {
    const auto spread = tensor.values.absmax_in_deviations();
    const auto bits = tensor.figures.bits_per_value();
    if (tensor.dtype != DType::kI8 || tensor.same_as || tensor.inferred || !spread || !bits) {
      continue;
    }
    points.push_back({&tensor, *spread, *bits});
  }
  for (const ValuePreview& preview : previews) {
    const TensorAnalysis& tensor = analysis.tensors[preview.tensor];
    const auto spread = tensor.values.absmax_in_deviations();
    if (!preview.int8 || !spread) continue;
    points.push_back({&tensor, *spread, preview.int8->tensor_wise.bits_per_code});
  }
  std::ranges::stable_sort(points, std::ranges::greater(),
                           [](const SpreadPoint& point) { return point.tensor->figures.bytes; });
  if (points.size() > kSpreadTensorsMax) points.resize(kSpreadTensorsMax);
  return points;
}

PointSeries bell_series(double low, double high) {
  PointSeries bell{.name = "a bell of that spread", .color = chart::Color::kInk};
  for (int i = 0; i <= kBellPoints; ++i) {
    const double spread = low * std::pow(high / low, static_cast<double>(i) / kBellPoints);
    bell.points.push_back({spread, std::clamp(std::log2(kBellConstant / spread), 0.0, 8.0)});
  }
  return bell;
}

std::optional<ReportFigure> spread_figure(const ModelAnalysis& analysis,
                                          std::span<const ValuePreview> previews) {
  const std::vector<SpreadPoint> points = spread_points(analysis, previews);
  if (points.empty()) return std::nullopt;
  std::map<TensorKind, PointSeries> kinds;  // By kind_group().
  NumberTable numbers{.titles = {"tensor", ">absmax/std", ">bits/code", ">of a bell"}, .rows = {}};
  double low = points.front().spread;
  double high = low;
  for (const SpreadPoint& point : points) {
    low = std::min(low, point.spread);
    high = std::max(high, point.spread);
    PointSeries& series = kinds[kind_group(point.tensor->kind)];
    series.points.push_back({point.spread, point.bits,
                             text(tensor_label(*point.tensor), ": ", number_text(point.spread, 1),
                                  " deviations, ", number_text(point.bits, 2), " bits")});
    numbers.rows.push_back({tensor_label(*point.tensor), number_text(point.spread, 2),
                            number_text(point.bits, 3),
                            number_text(point.tensor->values.bell_int8_bits(), 3)});
  }
  chart::PointPlot plot{
      .x = {.label = "largest value, in standard deviations", .logarithmic = true},
      .y = {.label = "bits a code"},
      .series = {bell_series(low, std::max(high, low * 1.01))}};
  for (auto& [kind, series] : kinds) {
    series.name = kind_group_name(kind);
    series.color = kind_color(kind);
    series.marks = PointSeries::Marks::kDots;
    plot.series.push_back(std::move(series));
  }
  return ReportFigure{
      .name = "bits_by_spread",
      .chart = {.title = "Why: bits a code against the spread of values",
                .description = "Each dot is a tensor in INT8 with one scale. The further its "
                               "largest value is from the others, the fewer bits its codes need.",
                .panels = {{.title = "", .plot = std::move(plot)}}},
      .caption = text(
          "Each dot is a tensor in INT8 (of floats: as it would be with one scale for the "
          "tensor). One outlier makes all other codes small and predictable. The line: a "
          "bell, log2(524.9 / spread) bits.",
          points.size() == kSpreadTensorsMax ? text(" The ", kSpreadTensorsMax, " largest tensors.")
                                             : ""),
      .numbers = std::move(numbers)};
}

}  // namespace

ReportSection ratio_section(const ModelAnalysis& analysis, std::span<const ValuePreview> previews) {
  ReportSection section{.name = "ratios", .title = "What compresses", .figures = {}};
  if (analysis.total.bytes == 0) return section;
  section.figures.push_back(kind_figure(analysis));
  if (auto layers = layer_figure(analysis)) section.figures.push_back(std::move(*layers));
  if (auto spread = spread_figure(analysis, previews)) {
    section.figures.push_back(std::move(*spread));
  }
  return section;
}

}  // namespace qload::analyze
