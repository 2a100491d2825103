#include "tools/chart/plot_frame.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "tools/chart/chart_style.h"

namespace qload::chart {
namespace {

constexpr double kNumberSize = 11;
constexpr double kLegendLine = 20;
constexpr double kSwatchWidth = 14;
constexpr double kSwatchGap = 6;
constexpr double kEntryGap = 18;
constexpr double kNumberGap = 6;  // Between numbers that stand beside each other.

void draw_swatch(SvgCanvas& canvas, const LegendEntry& entry, double x, double y) {
  const double middle = y - kLabelSize * 0.36;  // Of letters without a tail.
  switch (entry.swatch) {
    case LegendEntry::Swatch::kFilled:
      canvas.add_rectangle({x, y - 10, kSwatchWidth, 11}, fill_class(entry.color), {});
      break;
    case LegendEntry::Swatch::kOutlined:
      canvas.add_rectangle({x + 1, y - 9, kSwatchWidth - 2, 10}, outline_class(entry.color), {});
      break;
    case LegendEntry::Swatch::kLine: {
      const Spot line[] = {{x, middle}, {x + kSwatchWidth, middle}};
      canvas.add_path(line, stroke_class(entry.color), 2.5);
      break;
    }
    case LegendEntry::Swatch::kDot:
      canvas.add_circle({x + kSwatchWidth / 2, middle}, 4.5, fill_class(entry.color), {});
      break;
  }
}

}  // namespace

double draw_legend(SvgCanvas& canvas, std::span<const LegendEntry> entries,
                   const PlotPlace& place) {
  if (entries.empty()) return place.y;
  double x = place.x;
  double y = place.y + kLabelSize;
  for (const LegendEntry& entry : entries) {
    const double text_room = place.width - kSwatchWidth - kSwatchGap;
    const double words = std::min(text_width(entry.name, kLabelSize), text_room);
    const double width = kSwatchWidth + kSwatchGap + words;
    if (x > place.x && x + width > place.x + place.width) {
      x = place.x;
      y += kLegendLine;
    }
    draw_swatch(canvas, entry, x, y);
    canvas.add_fitted_text({x + kSwatchWidth + kSwatchGap, y}, entry.name, text_room,
                           {.size = kLabelSize});
    x += width + kEntryGap;
  }
  return y + kLegendLine - kLabelSize + 4;
}

double draw_bottom_axis(SvgCanvas& canvas, const Rectangle& area, const AxisScale& scale,
                        std::string_view label) {
  const double bottom = area.y + area.height;
  double taken = -std::numeric_limits<double>::infinity();
  for (const AxisTick& tick : scale.ticks) {
    const double x = area.x + area.width * scale.share_of(tick.value);
    const bool is_zero = !scale.logarithmic && tick.value == 0;
    canvas.add_line({x, area.y}, {x, bottom}, is_zero ? "axis" : "grid");
    // In the middle below its line, as far as the last one does not stand out.
    const double half = text_width(tick.text, kNumberSize) / 2;
    const double middle = std::min(x, area.x + area.width + kAxisOverhang - half);
    if (tick.text.empty() || middle - half < taken) continue;
    canvas.add_text({middle, bottom + 16}, tick.text,
                    {.size = kNumberSize, .anchor = "middle", .classes = "faint"});
    taken = middle + half + kNumberGap;
  }
  canvas.add_line({area.x, bottom}, {area.x + area.width, bottom}, "axis");
  if (label.empty()) return bottom + 22;
  canvas.add_fitted_text({area.x + area.width / 2, bottom + 34}, label, area.width,
                         {.size = kLabelSize, .anchor = "middle"});
  return bottom + 42;
}

void draw_side_axis(SvgCanvas& canvas, const Rectangle& area, const AxisScale& scale) {
  for (const AxisTick& tick : scale.ticks) {
    const double y = area.y + area.height * (1 - scale.share_of(tick.value));
    canvas.add_line({area.x, y}, {area.x + area.width, y}, "grid");
    if (tick.text.empty()) continue;
    canvas.add_text({area.x - 6, y + 4}, tick.text,
                    {.size = kNumberSize, .anchor = "end", .classes = "faint"});
  }
}

double side_axis_width(const AxisScale& scale) {
  double width = 0;
  for (const AxisTick& tick : scale.ticks) {
    width = std::max(width, text_width(tick.text, kNumberSize));
  }
  return width + 8;
}

bool is_drawable(double value, bool logarithmic) {
  if (!(std::abs(value) <= kPlotValueMax)) return false;
  return !logarithmic || value >= kPlotValueMin;
}

std::string value_text(double value) {
  char buffer[48];
  const int length = std::snprintf(buffer, sizeof buffer, "%.4g", value);
  return std::string(buffer, static_cast<size_t>(length));
}

}  // namespace qload::chart
