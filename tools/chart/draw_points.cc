#include <algorithm>
#include <cmath>
#include <limits>

#include "format/base/format_text.h"
#include "tools/chart/chart_style.h"
#include "tools/chart/plot_frame.h"

namespace qload::chart {
namespace {

constexpr double kHeight = 280;
constexpr double kHeightByWidth = 0.75;  // Of narrow plots.
constexpr double kReferenceSize = 11;
constexpr double kDotRadius = 4.5;
constexpr double kFaintRadius = 3;

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool is_empty() const { return !(low <= high); }
};

class PointPainter {
 public:
  PointPainter(SvgCanvas& canvas, const PointPlot& plot) : canvas_(canvas), plot_(plot) {}
  /// False when there is nothing to draw.
  bool measure();
  double draw(const PlotPlace& place);

 private:
  bool is_shown(const Point& point) const {
    return is_drawable(point.x, plot_.x.logarithmic) && is_drawable(point.y, plot_.y.logarithmic);
  }
  Spot spot_of(const Point& point) const {
    return {x_of(point.x), area_.y + area_.height * (1 - y_scale_.share_of(point.y))};
  }
  double x_of(double value) const { return area_.x + area_.width * x_scale_.share_of(value); }
  std::vector<LegendEntry> legend() const;
  bool label_goes_left(const ReferenceLine& line) const;
  void draw_references();
  void draw_series(const PointSeries& series);
  double y_label_base(const ReferenceLine& line) const;

  SvgCanvas& canvas_;
  const PointPlot& plot_;
  AxisScale x_scale_;
  AxisScale y_scale_;
  Rectangle area_;
};

bool PointPainter::measure() {
  Range x;
  Range y;
  for (const PointSeries& series : plot_.series) {
    for (const Point& point : series.points) {
      if (!is_shown(point)) continue;
      x.add(point.x);
      y.add(point.y);
    }
  }
  if (x.is_empty()) return false;
  for (const ReferenceLine& line : plot_.references) {
    const bool is_x = line.axis == ReferenceLine::Axis::kX;
    if (is_drawable(line.at, (is_x ? plot_.x : plot_.y).logarithmic)) (is_x ? x : y).add(line.at);
  }
  x_scale_ = plot_.x.logarithmic ? logarithmic_scale(x.low, x.high)
             : x.low < x.high    ? exact_scale(x.low, x.high)
                                 : round_scale(x.low, x.high);
  y_scale_ = plot_.y.logarithmic ? logarithmic_scale(y.low, y.high) : round_scale(y.low, y.high);
  return true;
}

std::vector<LegendEntry> PointPainter::legend() const {
  std::vector<LegendEntry> entries;
  for (const PointSeries& series : plot_.series) {
    if (series.faint) continue;
    entries.push_back({series.name, series.color,
                       series.marks == PointSeries::Marks::kDots ? LegendEntry::Swatch::kDot
                                                                 : LegendEntry::Swatch::kLine});
  }
  return entries;
}

/// To the side where it crosses no other line, or else where it has more room.
bool PointPainter::label_goes_left(const ReferenceLine& line) const {
  const double x = x_of(line.at);
  double left = x - area_.x;
  double right = area_.x + area_.width - x;
  const bool has_more = left > right;
  for (const ReferenceLine& other : plot_.references) {
    if (other.axis != line.axis || !is_drawable(other.at, plot_.x.logarithmic)) continue;
    const double distance = x_of(other.at) - x;
    if (distance < 0) left = std::min(left, -distance);
    if (distance > 0) right = std::min(right, distance);
  }
  const double width = text_width(line.label, kReferenceSize) + 10;
  if (left >= width || right >= width) return left >= right;
  return has_more;
}

void PointPainter::draw_references() {
  double label_y = area_.y + 14;
  for (const ReferenceLine& line : plot_.references) {
    if (line.axis == ReferenceLine::Axis::kX) {
      if (!is_drawable(line.at, plot_.x.logarithmic)) continue;
      const double x = x_of(line.at);
      canvas_.add_line({x, area_.y}, {x, area_.y + area_.height}, "whisker reference");
      const bool left = label_goes_left(line);
      const double room = left ? x - area_.x : area_.x + area_.width - x;
      // Each label on a line of its own.
      canvas_.add_fitted_text(
          {left ? x - 5 : x + 5, label_y}, line.label, room - 8,
          {.size = kReferenceSize, .anchor = left ? "end" : "start", .classes = "halo"});
      label_y += 16;
    } else {
      if (!is_drawable(line.at, plot_.y.logarithmic)) continue;
      const double y = area_.y + area_.height * (1 - y_scale_.share_of(line.at));
      canvas_.add_line({area_.x, y}, {area_.x + area_.width, y}, "whisker reference");
      canvas_.add_fitted_text({area_.x + 4, y_label_base(line)}, line.label, area_.width - 8,
                              {.size = kReferenceSize, .anchor = "start", .classes = "halo"});
    }
  }
}

/// Above the line, or below where it is at the top.
double PointPainter::y_label_base(const ReferenceLine& line) const {
  const double y = area_.y + area_.height * (1 - y_scale_.share_of(line.at));
  return y - 5 - kReferenceSize < area_.y ? y + 5 + kReferenceSize : y - 5;
}

void PointPainter::draw_series(const PointSeries& series) {
  std::vector<Spot> spots;
  for (const Point& point : series.points) {
    if (is_shown(point)) spots.push_back(spot_of(point));
  }
  if (series.marks != PointSeries::Marks::kDots && spots.size() > 1) {
    canvas_.add_path(spots, stroke_class(series.color), 2);
  }
  if (series.marks == PointSeries::Marks::kLine && spots.size() > 1) return;
  const std::string classes = text(fill_class(series.color), series.faint ? " pale" : "");
  for (const Point& point : series.points) {
    if (!is_shown(point)) continue;
    const std::string note =
        point.note.empty() ? text(series.name, ": ", value_text(point.x), ", ", value_text(point.y))
                           : point.note;
    const bool on_line = series.marks != PointSeries::Marks::kDots;
    canvas_.add_circle(spot_of(point), series.faint || on_line ? kFaintRadius : kDotRadius, classes,
                       note);
  }
}

double PointPainter::draw(const PlotPlace& place) {
  const double legend_end = draw_legend(canvas_, legend(), place);
  canvas_.add_fitted_text({place.x, legend_end + kLabelSize}, plot_.y.label, place.width,
                          {.size = kLabelSize});
  const double left = side_axis_width(y_scale_);
  area_ = {place.x + left, legend_end + kLabelSize + 12, place.width - left - kAxisOverhang,
           std::min(kHeight, place.width * kHeightByWidth)};
  draw_side_axis(canvas_, area_, y_scale_);
  const double bottom = draw_bottom_axis(canvas_, area_, x_scale_, plot_.x.label);
  for (const PointSeries& series : plot_.series) {
    if (series.faint) draw_series(series);
  }
  for (const PointSeries& series : plot_.series) {
    if (!series.faint) draw_series(series);
  }
  draw_references();
  return bottom;
}

}  // namespace

double draw_plot(SvgCanvas& canvas, const PointPlot& plot, const PlotPlace& place) {
  PointPainter painter(canvas, plot);
  if (painter.measure()) return painter.draw(place);
  canvas.add_text({place.x, place.y + kLabelSize}, "nothing was measured", {.classes = "faint"});
  return place.y + 24;
}

}  // namespace qload::chart
