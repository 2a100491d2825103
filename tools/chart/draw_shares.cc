#include <algorithm>

#include "format/base/format_text.h"
#include "tools/chart/chart_style.h"
#include "tools/chart/plot_frame.h"

namespace qload::chart {
namespace {

constexpr double kRowHeight = 30;
constexpr double kRowGap = 16;
constexpr double kPartGap = 1.5;
constexpr double kPartWidthMin = 0.5;

double sum_of(const ShareRow& row) {
  double sum = 0;
  for (const double value : row.values) {
    if (is_drawable(value, false)) sum += std::max(value, 0.0);
  }
  return sum;
}

void draw_row(SvgCanvas& canvas, const SharePlot& plot, const ShareRow& row, double scale,
              Spot at) {
  double x = at.x;
  for (size_t part = 0; part < std::min(row.values.size(), plot.parts.size()); ++part) {
    if (!is_drawable(row.values[part], false) || row.values[part] <= 0) continue;
    const double width = row.values[part] * scale;
    const std::string note = part < row.notes.size() ? row.notes[part] : plot.parts[part].name;
    canvas.add_rectangle({x, at.y, std::max(width - kPartGap, kPartWidthMin), kRowHeight},
                         fill_class(plot.parts[part].color), note);
    x += width;
  }
}

}  // namespace

double draw_plot(SvgCanvas& canvas, const SharePlot& plot, const PlotPlace& place) {
  double most = 0;
  for (const ShareRow& row : plot.rows) most = std::max(most, sum_of(row));
  if (most <= 0) {
    canvas.add_text({place.x, place.y + kLabelSize}, "nothing was measured", {.classes = "faint"});
    return place.y + 24;
  }
  std::vector<LegendEntry> legend;
  for (const SharePart& part : plot.parts) {
    legend.push_back({part.name, part.color, LegendEntry::Swatch::kFilled});
  }
  double y = draw_legend(canvas, legend, place) + 6;
  for (const ShareRow& row : plot.rows) {
    canvas.add_fitted_text({place.x, y + kLabelSize}, row.name, place.width, {.size = kLabelSize});
    draw_row(canvas, plot, row, place.width / most, {place.x, y + kLabelSize + 6});
    y += kLabelSize + 6 + kRowHeight + kRowGap;
  }
  return y;
}

}  // namespace qload::chart
