#include <algorithm>
#include <cstdio>

#include "format/base/format_text.h"
#include "tools/chart/chart_style.h"
#include "tools/chart/plot_frame.h"

namespace qload::chart {
namespace {

constexpr double kHeight = 120;
constexpr double kNumberSize = 11;

std::string percent_text(double share) {
  char buffer[32];
  const int length = std::snprintf(buffer, sizeof buffer, "%.3g %%", share * 100);
  return std::string(buffer, static_cast<size_t>(length));
}

/// Steps along the tops of the bins, closed along the bottom.
std::vector<Spot> outline_of(std::span<const uint64_t> counts, const Rectangle& area) {
  const auto most = static_cast<double>(*std::ranges::max_element(counts));
  const double bottom = area.y + area.height;
  const double bin_width = area.width / static_cast<double>(counts.size());
  std::vector<Spot> outline = {{area.x, bottom}};
  for (size_t bin = 0; bin < counts.size(); ++bin) {
    const double y = bottom - area.height * static_cast<double>(counts[bin]) / most;
    const double x = area.x + bin_width * static_cast<double>(bin);
    // Bins of one height are one step.
    if (outline.back().y != y) {
      outline.push_back({x, outline.back().y});
      outline.push_back({x, y});
    }
  }
  outline.push_back({area.x + area.width, outline.back().y});
  outline.push_back({area.x + area.width, bottom});
  return outline;
}

void draw_ticks(SvgCanvas& canvas, const HistogramPlot& plot, const Rectangle& area) {
  const double bottom = area.y + area.height;
  for (const HistogramTick& tick : plot.ticks) {
    const double x = area.x + area.width * tick.share;
    canvas.add_line({x, bottom}, {x, bottom + 4}, "axis");
    const std::string_view anchor =
        tick.share < 0.05 ? "start" : (tick.share > 0.95 ? "end" : "middle");
    canvas.add_text({x, bottom + 17}, tick.text,
                    {.size = kNumberSize, .anchor = anchor, .classes = "faint"});
  }
}

}  // namespace

double draw_plot(SvgCanvas& canvas, const HistogramPlot& plot, const PlotPlace& place) {
  // As doubles: counts of a file may have a sum beyond 64 bits.
  double sum = 0;
  uint64_t most = 0;
  for (const uint64_t count : plot.counts) {
    sum += static_cast<double>(count);
    most = std::max(most, count);
  }
  if (most == 0) {
    canvas.add_text({place.x, place.y + kLabelSize}, "no values", {.classes = "faint"});
    return place.y + 24;
  }
  const Rectangle area = {place.x, place.y + 18, place.width, kHeight};
  canvas.add_text({area.x, area.y - 5},
                  text(percent_text(static_cast<double>(most) / sum), " in the fullest bin"),
                  {.size = kNumberSize, .classes = "faint"});
  canvas.add_line({area.x, area.y}, {area.x + area.width, area.y}, "grid");
  canvas.add_area(outline_of(plot.counts, area), fill_class(plot.color), {});
  const double bottom = area.y + area.height;
  canvas.add_line({area.x, bottom}, {area.x + area.width, bottom}, "axis");
  draw_ticks(canvas, plot, area);
  canvas.add_fitted_text({area.x + area.width / 2, bottom + 34}, plot.value_label, area.width,
                         {.size = kLabelSize, .anchor = "middle"});
  return bottom + 42;
}

}  // namespace qload::chart
