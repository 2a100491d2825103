// Charts as plain data: what is shown, not where it stands. render_chart() draws them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace qload::chart {

/// Chosen so that colour-blind readers tell any two apart, on light ground and on dark
/// (chart_style.cc). kInk is that of text.
enum class Color : uint8_t { kBlue, kOrange, kGreen, kRed, kSky, kPurple, kPink, kGrey, kInk };
inline constexpr size_t kColorCount = 9;

/// A bar, with a whisker from `low` to `high` when they differ.
struct Bar {
  double value = 0;
  double low = 0;
  double high = 0;
};

/// Bars of one colour, one for each group.
struct BarSeries {
  std::string name;
  Color color = Color::kBlue;
  bool outlined = false;  ///< An empty bar with a dashed outline: for what was not measured here.
  std::vector<std::optional<Bar>> bars = {};  ///< Nothing: the group has no such bar.
};

/// Groups stand one below the other, a bar of each series in each.
struct BarPlot {
  std::string value_label;  ///< With the unit: "load time, seconds".
  std::vector<std::string> groups;
  std::vector<BarSeries> series;
  int decimals = 0;  ///< Of the numbers at the bars.
  /// The axis ends here at the latest: whiskers and bars beyond are cut off.
  std::optional<double> value_max = {};
};

struct Point {
  double x = 0;
  double y = 0;
  std::string note = {};  ///< Shown when it is pointed at.
};

struct PointSeries {
  enum class Marks : uint8_t { kLine, kDots, kLineAndDots };
  std::string name;
  Color color = Color::kBlue;
  Marks marks = Marks::kLine;
  bool faint = false;  ///< Small, pale and without a legend: the many beside the few.
  std::vector<Point> points = {};
};

/// A line across the plot at a value of one axis.
struct ReferenceLine {
  enum class Axis : uint8_t { kX, kY };
  Axis axis = Axis::kX;
  double at = 0;
  std::string label;
};

struct PlotAxis {
  std::string label;  ///< With the unit.
  bool logarithmic = false;
};

/// Lines and dots over two axes. Points that are not finite, or not positive on a logarithmic axis,
/// are left out.
struct PointPlot {
  PlotAxis x;
  PlotAxis y;
  std::vector<PointSeries> series;
  std::vector<ReferenceLine> references = {};
};

/// A place on the axis of a histogram: 0 at its left end, 1 at its right.
struct HistogramTick {
  double share = 0;
  std::string text;
};

struct HistogramPlot {
  std::string value_label;
  std::vector<HistogramTick> ticks;
  std::vector<uint64_t> counts;  ///< Of bins of one width; drawn as shares of their sum.
  Color color = Color::kBlue;
};

/// One colour of all rows.
struct SharePart {
  std::string name;
  Color color = Color::kBlue;
};

/// Values by part; what is left of the widest row's length stays empty.
struct ShareRow {
  std::string name;
  std::vector<double> values;
  std::vector<std::string> notes = {};  ///< By part: shown when it is pointed at.
};

/// Bars of stacked parts, one below the other, to one scale.
struct SharePlot {
  std::vector<SharePart> parts;
  std::vector<ShareRow> rows;
};

struct Panel {
  std::string title;
  std::string subtitle = {};
  std::variant<BarPlot, PointPlot, HistogramPlot, SharePlot> plot;
};

struct Chart {
  std::string title;
  std::string description = {};  ///< One or two sentences, for those who cannot see it.
  std::vector<std::string> subtitles = {};
  std::vector<Panel> panels;
  size_t columns = 1;                   ///< Panels beside each other, where there is room.
  std::vector<std::string> notes = {};  ///< Small lines at the bottom.
};

}  // namespace qload::chart
