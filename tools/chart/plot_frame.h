// What plots have in common: legends, axes, grids.
#pragma once

#include <span>
#include <string>

#include "tools/chart/axis_scale.h"
#include "tools/chart/chart.h"
#include "tools/chart/svg_canvas.h"

namespace qload::chart {

inline constexpr double kLabelSize = 12;
/// Room to the right of a plot, where its axis's last number may stand out.
inline constexpr double kAxisOverhang = 12;

/// Where a plot may stand: as wide as that, downwards from `y`.
struct PlotPlace {
  double x = 0;
  double y = 0;
  double width = 0;
};

/// Each draws a plot and returns the y below it.
double draw_plot(SvgCanvas& canvas, const BarPlot& plot, const PlotPlace& place);
double draw_plot(SvgCanvas& canvas, const PointPlot& plot, const PlotPlace& place);
double draw_plot(SvgCanvas& canvas, const HistogramPlot& plot, const PlotPlace& place);
double draw_plot(SvgCanvas& canvas, const SharePlot& plot, const PlotPlace& place);

struct LegendEntry {
  enum class Swatch : uint8_t { kFilled, kOutlined, kLine, kDot };
  std::string name;
  Color color = Color::kBlue;
  Swatch swatch = Swatch::kFilled;
};

/// Entries side by side, in lines. Returns the y below; that of `place` without entries.
double draw_legend(SvgCanvas& canvas, std::span<const LegendEntry> entries, const PlotPlace& place);

/// Lines of the grid upwards from the lower edge of `area`, numbers and the label below it. Returns
/// the y below.
double draw_bottom_axis(SvgCanvas& canvas, const Rectangle& area, const AxisScale& scale,
                        std::string_view label);

/// Lines of the grid across `area`, numbers to its left.
void draw_side_axis(SvgCanvas& canvas, const Rectangle& area, const AxisScale& scale);

/// Room for the numbers of draw_side_axis().
double side_axis_width(const AxisScale& scale);

/// False for what has no place on an axis: not finite, or beyond what scales take.
bool is_drawable(double value, bool logarithmic);

/// "Decode speed: 1.25" and the like: three significant digits and more.
std::string value_text(double value);

}  // namespace qload::chart
