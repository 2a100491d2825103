#include "bench/paper/svg_chart.h"

#include <algorithm>
#include <cmath>

#include "bench/load/report_table.h"
#include "format/base/format_text.h"

namespace qload::bench {
namespace {

// Pixels. A sans-serif letter is 0.6 of its size wide on average; text is laid out by that, as a
// document without scripts cannot measure it.
constexpr double kWidth = 960;
constexpr double kLeft = 76;
constexpr double kRight = 24;
constexpr double kPlotWidth = kWidth - kLeft - kRight;
constexpr double kPlotHeight = 260;
constexpr double kLetterShare = 0.6;
constexpr double kLegendSize = 12;
constexpr double kLegendLine = 20;
constexpr double kGroupShare = 0.84;  // Of a group's width that bars take.
constexpr double kPlaceMax = 76;      // A bar's place is no wider, however few there are.
constexpr double kBarShare = 0.86;    // Of a bar's place that it fills.
constexpr double kBarTextMax = 11;
constexpr double kBarTextMin = 6.5;
constexpr const char* kInk = "#222222";
constexpr const char* kFaint = "#666666";

struct TextStyle {
  double size = 12;
  const char* anchor = "start";
  const char* color = kInk;
  bool bold = false;
};

double text_width(std::string_view text, double size) {
  return static_cast<double>(text.size()) * size * kLetterShare;
}

void add_text(std::string& svg, double x, double y, std::string_view words,
              const TextStyle& style) {
  svg +=
      print("<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.1f\" text-anchor=\"%s\" fill=\"%s\"%s>", x,
            y, style.size, style.anchor, style.color, style.bold ? " font-weight=\"bold\"" : "");
  svg += escape_xml(words);
  svg += "</text>\n";
}

void add_line(std::string& svg, double x1, double y1, double x2, double y2, const char* color) {
  svg += print(
      "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"1\"/>\n",
      x1, y1, x2, y2, color);
}

void add_box(std::string& svg, double x, double y, double width, double height,
             const ChartSeries& series) {
  svg += print("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" ", x, y, width, height);
  const std::string color = escape_xml(series.color);
  svg += series.outlined ? text("fill=\"#ffffff\" stroke=\"", color,
                                "\" stroke-width=\"1.5\" stroke-dasharray=\"4 2\"/>\n")
                         : text("fill=\"", color, "\"/>\n");
}

/// Maps values to heights within a panel that is drawn at `top`.
struct Scale {
  std::vector<double> ticks;
  double top;
  double y_of(double value) const {
    const double share = (value - ticks.front()) / (ticks.back() - ticks.front());
    return top + kPlotHeight * (1 - share);
  }
};

Scale choose_scale(const ChartPanel& panel, double top) {
  double low = 0;
  double high = 0;
  for (const ChartSeries& series : panel.series) {
    for (const auto& bar : series.bars) {
      if (!bar) continue;
      low = std::min({low, bar->value, bar->low});
      high = std::max({high, bar->value, bar->high});
    }
  }
  // Room for the numbers above the highest bar.
  return {.ticks = choose_ticks(low, high + (high - low) * 0.06), .top = top};
}

/// Returns the y below the legend.
double add_legend(std::string& svg, const ChartPanel& panel, double y) {
  double x = kLeft;
  for (const ChartSeries& series : panel.series) {
    const double width = 20 + text_width(series.name, kLegendSize) + 18;
    if (x > kLeft && x + width > kWidth - kRight) {
      x = kLeft;
      y += kLegendLine;
    }
    add_box(svg, x, y - 10, 13, 11, series);
    add_text(svg, x + 19, y, series.name, {.size = kLegendSize});
    x += width;
  }
  return y + kLegendLine;
}

void add_axes(std::string& svg, const ChartPanel& panel, const Scale& scale) {
  const double step = scale.ticks[1] - scale.ticks[0];
  const int decimals = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 6);
  for (const double tick : scale.ticks) {
    const double y = scale.y_of(tick);
    add_line(svg, kLeft, y, kLeft + kPlotWidth, y, std::abs(tick) < step / 2 ? kInk : "#dddddd");
    add_text(svg, kLeft - 8, y + 4, print("%.*f", decimals, tick),
             {.anchor = "end", .color = kFaint});
  }
  const double middle = scale.top + kPlotHeight / 2;
  svg += print(
      "<text transform=\"translate(20 %.1f) rotate(-90)\" font-size=\"13\" "
      "text-anchor=\"middle\" fill=\"%s\">",
      middle, kInk);
  svg += escape_xml(panel.value_label);
  svg += "</text>\n";
}

void add_bar(std::string& svg, const ChartPanel& panel, const ChartSeries& series,
             const ChartBar& bar, const Scale& scale, double x, double width) {
  const double zero = scale.y_of(0);
  const double y = scale.y_of(bar.value);
  add_box(svg, x, std::min(y, zero), width, std::max(std::abs(y - zero), 0.5), series);
  const double centre = x + width / 2;
  const bool spread = bar.high > bar.low;
  if (spread) add_line(svg, centre, scale.y_of(bar.low), centre, scale.y_of(bar.high), kInk);
  const std::string number = print("%.*f", panel.decimals, bar.value);
  const double size = std::clamp(width / text_width(number, 1), kBarTextMin, kBarTextMax);
  const bool below = bar.value < 0;
  const double end = scale.y_of(!spread ? bar.value : below ? bar.low : bar.high);
  add_text(svg, centre, below ? end + size + 2 : end - 4, number,
           {.size = size, .anchor = "middle"});
}

void add_groups(std::string& svg, const ChartPanel& panel, const Scale& scale) {
  const double group_width = kPlotWidth / static_cast<double>(panel.groups.size());
  const auto count = static_cast<double>(panel.series.size());
  const double place = std::min(group_width * kGroupShare / count, kPlaceMax);
  for (size_t group = 0; group < panel.groups.size(); ++group) {
    const double middle = kLeft + group_width * (static_cast<double>(group) + 0.5);
    for (size_t number = 0; number < panel.series.size(); ++number) {
      const ChartSeries& series = panel.series[number];
      if (group >= series.bars.size() || !series.bars[group]) continue;
      const double x =
          middle + place * (static_cast<double>(number) - count / 2 + (1 - kBarShare) / 2);
      add_bar(svg, panel, series, *series.bars[group], scale, x, place * kBarShare);
    }
    add_text(svg, middle, scale.top + kPlotHeight + 18, panel.groups[group],
             {.size = 13, .anchor = "middle", .bold = true});
  }
}

/// Returns the y below the panel.
double add_panel(std::string& svg, const ChartPanel& panel, double y) {
  add_text(svg, kLeft, y, panel.title, {.size = 15, .bold = true});
  if (panel.groups.empty() || panel.series.empty()) {
    add_text(svg, kLeft, y + 24, "nothing was measured", {.color = kFaint});
    return y + 48;
  }
  const double top = add_legend(svg, panel, y + 22) + 4;
  const Scale scale = choose_scale(panel, top);
  add_axes(svg, panel, scale);
  add_groups(svg, panel, scale);
  const double bottom = top + kPlotHeight;
  add_text(svg, kLeft + kPlotWidth / 2, bottom + 38, panel.group_label,
           {.size = 13, .anchor = "middle"});
  return bottom + 72;
}

}  // namespace

std::string escape_xml(std::string_view text) {
  std::string escaped;
  for (const char letter : text) {
    switch (letter) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        if (static_cast<unsigned char>(letter) >= 0x20) escaped += letter;
    }
  }
  return escaped;
}

std::vector<double> choose_ticks(double low, double high) {
  const double span = high > low ? high - low : 1;
  // The smallest of 1, 2, 5 times a power of ten that needs no more than five steps.
  double step = std::pow(10, std::floor(std::log10(span / 5)));
  for (const double factor : {2.0, 2.5, 2.0}) {
    if (span / step <= 5) break;
    step *= factor;
  }
  std::vector<double> ticks;
  const double first = std::floor(low / step + 1e-9);
  const double last = std::max(first + 1, std::ceil(high / step - 1e-9));
  for (double number = first; number <= last; ++number) ticks.push_back(number * step);
  return ticks;
}

std::string render_svg(const Chart& chart) {
  std::string body;
  double y = 34;
  add_text(body, kLeft, y, chart.title, {.size = 20, .bold = true});
  for (const std::string& subtitle : chart.subtitles) {
    y += 20;
    add_text(body, kLeft, y, subtitle, {.size = 13, .color = kFaint});
  }
  y += 36;
  for (const ChartPanel& panel : chart.panels) y = add_panel(body, panel, y);
  for (const std::string& note : chart.notes) {
    add_text(body, kLeft, y, note, {.size = 11, .color = kFaint});
    y += 16;
  }
  std::string svg = print(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
      "viewBox=\"0 0 %.0f %.0f\" font-family=\"Helvetica, Arial, sans-serif\">\n",
      kWidth, y, kWidth, y);
  svg += "<title>" + escape_xml(chart.title) + "</title>\n";
  svg += "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
  return svg + body + "</svg>\n";
}

}  // namespace qload::bench
