#include "tools/chart/render_chart.h"

#include <algorithm>

#include "format/base/format_text.h"
#include "tools/chart/chart_style.h"
#include "tools/chart/markup.h"
#include "tools/chart/plot_frame.h"
#include "tools/chart/svg_canvas.h"

namespace qload::chart {
namespace {

constexpr double kFileMargin = 24;
constexpr double kPageMargin = 1;  // Lines at the edge keep their width.
constexpr double kColumnGap = 32;
constexpr double kPanelGap = 22;
constexpr double kTitleSize = 20;
constexpr double kSubtitleSize = 13;
constexpr double kPanelTitleSize = 14;
constexpr double kSmallSize = 11;

/// Draws one chart from the top down.
class ChartPainter {
 public:
  ChartPainter(const Chart& chart, const RenderOptions& options)
      : chart_(chart),
        options_(options),
        margin_(options.alone ? kFileMargin : kPageMargin),
        width_(options.width - 2 * margin_),
        y_(margin_) {}

  std::string draw();

 private:
  void draw_lines(const std::string& words, double size, std::string_view classes);
  void draw_head();
  void draw_panels();
  double draw_panel(const Panel& panel, const PlotPlace& place);
  std::string document();

  const Chart& chart_;
  const RenderOptions& options_;
  const double margin_;
  const double width_;
  double y_;
  SvgCanvas canvas_;
};

void ChartPainter::draw_lines(const std::string& words, double size, std::string_view classes) {
  for (const std::string& line : wrap_text(words, width_, size)) {
    canvas_.add_text({margin_, y_ + size}, line, {.size = size, .classes = classes});
    y_ += size * 1.45;
  }
}

void ChartPainter::draw_head() {
  for (const std::string& line : wrap_text(chart_.title, width_ / kBoldWidth, kTitleSize)) {
    canvas_.add_text({margin_, y_ + kTitleSize}, line, {.size = kTitleSize, .bold = true});
    y_ += kTitleSize * 1.3;
  }
  for (const std::string& subtitle : chart_.subtitles) {
    draw_lines(subtitle, kSubtitleSize, "faint");
  }
  y_ += 16;
}

double ChartPainter::draw_panel(const Panel& panel, const PlotPlace& place) {
  double y = place.y;
  if (!panel.title.empty()) {
    for (const std::string& line :
         wrap_text(panel.title, place.width / kBoldWidth, kPanelTitleSize)) {
      canvas_.add_text({place.x, y + kPanelTitleSize}, line,
                       {.size = kPanelTitleSize, .bold = true});
      y += kPanelTitleSize * 1.35;
    }
  }
  if (!panel.subtitle.empty()) {
    for (const std::string& line : wrap_text(panel.subtitle, place.width, kLabelSize)) {
      canvas_.add_text({place.x, y + kLabelSize}, line, {.size = kLabelSize, .classes = "faint"});
      y += kLabelSize * 1.35;
    }
  }
  if (y > place.y) y += 6;
  return std::visit(
      [&](const auto& plot) {
        return draw_plot(canvas_, plot, PlotPlace{place.x, y, place.width});
      },
      panel.plot);
}

void ChartPainter::draw_panels() {
  const size_t columns =
      options_.width >= kColumnsWidthMin ? std::max<size_t>(chart_.columns, 1) : 1;
  const double gaps = kColumnGap * static_cast<double>(columns - 1);
  const double width = (width_ - gaps) / static_cast<double>(columns);
  for (size_t first = 0; first < chart_.panels.size(); first += columns) {
    double below = y_;
    for (size_t i = first; i < std::min(first + columns, chart_.panels.size()); ++i) {
      const double x = margin_ + (width + kColumnGap) * static_cast<double>(i - first);
      below = std::max(below, draw_panel(chart_.panels[i], {x, y_, width}));
    }
    const bool is_last = first + columns >= chart_.panels.size();
    y_ = below + (is_last ? 0 : kPanelGap);
  }
}

std::string ChartPainter::document() {
  const std::string width = coordinate(options_.width);
  const std::string height = coordinate(y_ + margin_);
  const std::string id = options_.id;
  std::string svg = text("<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" width=\"",
                         width, "\" height=\"", height, "\" viewBox=\"0 0 ", width, " ", height,
                         "\" role=\"img\" aria-labelledby=\"", id, "-title ", id, "-text\">\n");
  svg += text("<title id=\"", id, "-title\">", escape_markup(chart_.title), "</title>\n<desc id=\"",
              id, "-text\">", escape_markup(chart_.description), "</desc>\n");
  if (options_.alone) {
    svg += text("<style>\n", chart_file_style(),
                "</style>\n<rect width=\"100%\" height=\"100%\" class=\"paper\"/>\n");
  }
  return svg + canvas_.take() + "</svg>\n";
}

std::string ChartPainter::draw() {
  if (options_.alone) draw_head();
  draw_panels();
  if (!chart_.notes.empty()) y_ += 10;
  for (const std::string& note : chart_.notes) draw_lines(note, kSmallSize, "faint");
  return document();
}

}  // namespace

std::string render_chart(const Chart& chart, const RenderOptions& options) {
  return ChartPainter(chart, options).draw();
}

}  // namespace qload::chart
