#include <algorithm>
#include <cstdio>

#include "format/base/format_text.h"
#include "tools/chart/chart_style.h"
#include "tools/chart/plot_frame.h"

namespace qload::chart {
namespace {

constexpr double kBarHeight = 14;
constexpr double kBarGap = 3;
constexpr double kGroupGap = 12;
constexpr double kNumberSize = 11;
constexpr double kGroupSize = 12;
constexpr double kHeadingHeight = 18;
constexpr double kGroupShareMax = 0.3;  // Names beside the bars take no more of the width.

std::string number_text(double value, int decimals) {
  char buffer[400];
  const int length =
      std::snprintf(buffer, sizeof buffer, "%.*f", std::clamp(decimals, 0, 9), value);
  return std::string(buffer, static_cast<size_t>(length));
}

bool is_drawable(const Bar& bar) {
  return chart::is_drawable(bar.value, false) && chart::is_drawable(bar.low, false) &&
         chart::is_drawable(bar.high, false);
}

/// Draws one plot: what its parts have in common.
class BarPainter {
 public:
  BarPainter(SvgCanvas& canvas, const BarPlot& plot) : canvas_(canvas), plot_(plot) {}
  double draw(const PlotPlace& place);

 private:
  const Bar* bar_of(const BarSeries& series, size_t group) const;
  void measure(const PlotPlace& place);
  double group_height(size_t group) const;
  void draw_group(size_t group, double y);
  void draw_whisker(const Bar& bar, double y);
  void draw_bar(const BarSeries& series, size_t group, const Bar& bar, double y);
  double x_of(double value) const { return area_.x + area_.width * scale_.share_of(value); }

  SvgCanvas& canvas_;
  const BarPlot& plot_;
  bool headings_ = false;  // Names stand above their bars, not beside.
  double left_ = 0;
  Rectangle area_;
  AxisScale scale_;
};

const Bar* BarPainter::bar_of(const BarSeries& series, size_t group) const {
  if (group >= series.bars.size() || !series.bars[group]) return nullptr;
  return is_drawable(*series.bars[group]) ? &*series.bars[group] : nullptr;
}

void BarPainter::measure(const PlotPlace& place) {
  double low = 0;
  double high = 0;
  double number_width = 0;
  for (const BarSeries& series : plot_.series) {
    for (size_t group = 0; group < plot_.groups.size(); ++group) {
      const Bar* bar = bar_of(series, group);
      if (bar == nullptr) continue;
      low = std::min({low, bar->value, bar->low});
      high = std::max({high, bar->value, bar->high});
      number_width =
          std::max(number_width, text_width(number_text(bar->value, plot_.decimals), kNumberSize));
    }
  }
  if (plot_.value_max) high = std::min(high, *plot_.value_max);
  if (high <= low) high = low + 1;
  double name_width = 0;
  for (const std::string& group : plot_.groups) {
    name_width = std::max(name_width, text_width(group, kGroupSize));
  }
  headings_ = name_width > place.width * kGroupShareMax;
  left_ = place.x;
  const double names = headings_ ? 0 : name_width + 10;
  area_ = {place.x + names, place.y, place.width - names - kAxisOverhang, 0};
  // Room for the numbers at the bars' ends.
  const double share = std::min((number_width + 8) / area_.width, 0.4);
  const double room = (high - low) * share / (1 - share);
  scale_ = exact_scale(low < 0 ? low - room : low, high + room);
}

double BarPainter::group_height(size_t group) const {
  double height = headings_ ? kHeadingHeight : 0;
  for (const BarSeries& series : plot_.series) {
    if (bar_of(series, group) != nullptr) height += kBarHeight + kBarGap;
  }
  return std::max(height, kGroupSize + kBarGap) + kGroupGap;
}

/// With a cross-stroke at each end; an arrow where it goes on beyond the axis.
void BarPainter::draw_whisker(const Bar& bar, double y) {
  const double low = x_of(bar.low);
  const double high = x_of(bar.high);
  const double back = bar.high > scale_.high ? 5 : 0;
  canvas_.add_line({low, y}, {high, y}, "whisker");
  canvas_.add_line({low, y - 4}, {low, y + 4}, "whisker");
  canvas_.add_line({high - back, y - 4}, {high, back > 0 ? y : y + 4}, "whisker");
  if (back > 0) canvas_.add_line({high - back, y + 4}, {high, y}, "whisker");
}

void BarPainter::draw_bar(const BarSeries& series, size_t group, const Bar& bar, double y) {
  const double zero = x_of(0);
  const double end = x_of(bar.value);
  const double thickness = kBarHeight;
  const bool spread = bar.high > bar.low;
  const std::string number = number_text(bar.value, plot_.decimals);
  std::string note = text(plot_.groups[group], ", ", series.name, ": ", number);
  if (spread) {
    note += text(" (", number_text(bar.low, plot_.decimals), " to ",
                 number_text(bar.high, plot_.decimals), ")");
  }
  canvas_.add_rectangle({std::min(zero, end), y, std::max(std::abs(end - zero), 0.5), thickness},
                        series.outlined ? outline_class(series.color) : fill_class(series.color),
                        note);
  const double middle = y + thickness / 2;
  if (spread) draw_whisker(bar, middle);
  // Behind bar and whisker; where that leaves the plot, behind the bar and over its whisker; of a
  // bar that is cut off, within it.
  const double width = text_width(number, kNumberSize) + 5;
  const bool negative = bar.value < 0;
  double tip = end;
  if (spread && negative) tip = std::min(end, x_of(bar.low));
  const double right = area_.x + area_.width + kAxisOverhang;
  if (spread && !negative && x_of(bar.high) + width <= right) tip = std::max(end, x_of(bar.high));
  const bool before = negative || tip + width > right;
  canvas_.add_text({before ? tip - 5 : tip + 5, middle + 4}, number,
                   {.size = kNumberSize, .anchor = before ? "end" : "start", .classes = "halo"});
}

void BarPainter::draw_group(size_t group, double y) {
  const double bars_height = group_height(group) - kGroupGap;
  if (headings_) {
    canvas_.add_fitted_text({left_, y + kGroupSize}, plot_.groups[group],
                            (area_.x + area_.width - left_) / kBoldWidth,
                            {.size = kGroupSize, .bold = true});
    y += kHeadingHeight;
  } else {
    canvas_.add_text({area_.x - 8, y + (bars_height - kBarGap) / 2 + 4}, plot_.groups[group],
                     {.size = kGroupSize, .anchor = "end"});
  }
  for (const BarSeries& series : plot_.series) {
    const Bar* bar = bar_of(series, group);
    if (bar == nullptr) continue;
    draw_bar(series, group, *bar, y);
    y += kBarHeight + kBarGap;
  }
}

double BarPainter::draw(const PlotPlace& place) {
  std::vector<LegendEntry> legend;
  for (const BarSeries& series : plot_.series) {
    legend.push_back(
        {series.name, series.color,
         series.outlined ? LegendEntry::Swatch::kOutlined : LegendEntry::Swatch::kFilled});
  }
  measure(place);
  area_.y = draw_legend(canvas_, legend, place) + 4;
  for (size_t group = 0; group < plot_.groups.size(); ++group) {
    area_.height += group_height(group);
  }
  const double bottom = draw_bottom_axis(canvas_, area_, scale_, plot_.value_label);
  double y = area_.y + kGroupGap / 2;
  for (size_t group = 0; group < plot_.groups.size(); ++group) {
    draw_group(group, y);
    y += group_height(group);
  }
  return bottom;
}

}  // namespace

double draw_plot(SvgCanvas& canvas, const BarPlot& plot, const PlotPlace& place) {
  if (plot.groups.empty() || plot.series.empty()) {
    canvas.add_text({place.x, place.y + kLabelSize}, "nothing was measured", {.classes = "faint"});
    return place.y + 24;
  }
  return BarPainter(canvas, plot).draw(place);
}

}  // namespace qload::chart
