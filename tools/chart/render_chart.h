// Charts as SVG: no scripts, nothing from elsewhere. Pure.
#pragma once

#include <string>

#include "tools/chart/chart.h"

namespace qload::chart {

/// Pixels. Panels stand in the chart's columns from kColumnsWidthMin on, else in one.
inline constexpr double kChartWidth = 960;
inline constexpr double kNarrowChartWidth = 360;
inline constexpr double kColumnsWidthMin = 640;

struct RenderOptions {
  double width = kChartWidth;
  /// A file of its own: with its style, ground, title and subtitles. Else a part of a page that has
  /// chart_page_style() and says those itself.
  bool alone = true;
  /// Unique among the charts of a page: letters, digits and "_".
  std::string id = "chart";
};

/// Texts of the chart may be anything: they are escaped and shortened to their room.
std::string render_chart(const Chart& chart, const RenderOptions& options);

}  // namespace qload::chart
