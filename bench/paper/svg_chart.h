// A bar chart as an SVG document: self-contained, no scripts, no fonts of its own.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qload::bench {

/// A bar, with a whisker from `low` to `high` when they differ.
struct ChartBar {
  double value = 0;
  double low = 0;
  double high = 0;
};

/// Bars of one colour, one for each group.
struct ChartSeries {
  std::string name;
  std::string color;      ///< "#0072b2"
  bool outlined = false;  ///< An empty bar with a dashed outline: for what was not measured here.
  std::vector<std::optional<ChartBar>> bars;  ///< Nothing: the group has no such bar.
};

/// One pair of axes. Groups stand side by side, a bar of each series in each.
struct ChartPanel {
  std::string title;
  std::string value_label;  ///< With the unit: "load time, seconds".
  std::string group_label;
  std::vector<std::string> groups;
  std::vector<ChartSeries> series;
  int decimals = 0;  ///< Of the numbers at the bars.
};

struct Chart {
  std::string title;
  std::vector<std::string> subtitles;
  std::vector<ChartPanel> panels;  ///< One below the other.
  std::vector<std::string> notes;  ///< Small lines at the bottom.
};

/// Text as it may stand in an XML element or attribute: markup escaped, other control characters
/// dropped.
std::string escape_xml(std::string_view text);

/// At most seven round numbers from at or below `low` to at or above `high`.
/// REQUIRES: low <= high, both finite.
std::vector<double> choose_ticks(double low, double high);

std::string render_svg(const Chart& chart);

}  // namespace qload::bench
