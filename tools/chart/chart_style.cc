#include "tools/chart/chart_style.h"

#include <array>
#include <functional>

#include "format/base/format_text.h"

namespace qload::chart {
namespace {

struct NamedColor {
  std::string_view name;
  std::string_view light;
  std::string_view dark;
};

// Text has a contrast of 6 and more to the ground, shapes of 3 and more (WCAG 2.2, 1.4.3 and
// 1.4.11). The series' colours are those of a search for the largest distance, in OKLab, between
// any two of them as seen with and without red or green cones (Machado et al., 2009): 9 and more.
constexpr std::array<NamedColor, 4> kTones = {{
    {"paper", "#ffffff", "#15181d"},
    {"faint", "#57606a", "#9aa4b0"},
    {"grid", "#e1e4e8", "#2b3038"},
    {"axis", "#8a929b", "#6b7480"},
}};
constexpr std::array<NamedColor, kColorCount> kColors = {{
    {"blue", "#235da4", "#3f7cec"},
    {"orange", "#c17b0a", "#f8ad5a"},
    {"green", "#61a173", "#7bedb1"},
    {"red", "#b41b27", "#fc6569"},
    {"sky", "#4b9bc9", "#87d0fd"},
    {"purple", "#8a5ee4", "#b893f8"},
    {"pink", "#87366c", "#b3618b"},
    {"grey", "#757a80", "#9aa0a8"},
    {"ink", "#1c2128", "#e6e9ee"},
}};

using Lookup = std::function<std::string(const NamedColor&)>;

std::string light_of(const NamedColor& color) { return std::string(color.light); }
std::string dark_of(const NamedColor& color) { return std::string(color.dark); }
std::string variable_of(const NamedColor& color) { return text("var(--chart-", color.name, ")"); }

/// Rules that give elements their colours.
std::string color_rules(const Lookup& value) {
  const auto& [paper, faint, grid, axis] = kTones;
  const std::string ground = value(paper);
  const std::string ink = value(kColors.back());
  std::string css = text(
      ".chart text{fill:", ink, "}\n.chart .whisker{stroke:", ink, "}\n.chart .paper{fill:", ground,
      "}\n.chart .halo{stroke:", ground, "}\n.chart .faint{fill:", value(faint),
      "}\n.chart .grid{stroke:", value(grid), "}\n.chart .axis{stroke:", value(axis), "}\n");
  for (const NamedColor& color : kColors) {
    const std::string is = value(color);
    css += text(".chart .fill-", color.name, "{fill:", is, "}\n.chart .stroke-", color.name,
                "{stroke:", is, "}\n.chart .outline-", color.name, "{fill:", ground, ";stroke:", is,
                "}\n");
  }
  return css;
}

constexpr std::string_view kShapeRules =
    ".chart{font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,Helvetica,Arial,sans-serif}\n"
    ".chart path[class|=stroke]{fill:none}\n"
    ".chart [class|=outline]{stroke-width:1.5px;stroke-dasharray:4 2}\n"
    ".chart .halo{stroke-width:5px;paint-order:stroke;stroke-linejoin:round}\n"
    ".chart .pale{opacity:.45}\n"
    ".chart .grid,.chart .axis,.chart .whisker{stroke-width:1px;fill:none}\n"
    ".chart .reference{stroke-dasharray:5 4}\n";

constexpr std::array<std::string_view, kColorCount> kFillClasses = {
    "fill-blue",   "fill-orange", "fill-green", "fill-red", "fill-sky",
    "fill-purple", "fill-pink",   "fill-grey",  "fill-ink"};
constexpr std::array<std::string_view, kColorCount> kStrokeClasses = {
    "stroke-blue",   "stroke-orange", "stroke-green", "stroke-red", "stroke-sky",
    "stroke-purple", "stroke-pink",   "stroke-grey",  "stroke-ink"};
constexpr std::array<std::string_view, kColorCount> kOutlineClasses = {
    "outline-blue",   "outline-orange", "outline-green", "outline-red", "outline-sky",
    "outline-purple", "outline-pink",   "outline-grey",  "outline-ink"};

}  // namespace

std::string_view fill_class(Color color) { return kFillClasses[static_cast<size_t>(color)]; }
std::string_view stroke_class(Color color) { return kStrokeClasses[static_cast<size_t>(color)]; }
std::string_view outline_class(Color color) { return kOutlineClasses[static_cast<size_t>(color)]; }

std::string chart_file_style() {
  return text(kShapeRules, color_rules(light_of), "@media (prefers-color-scheme:dark){\n",
              color_rules(dark_of), "}\n");
}

std::string chart_page_style() { return text(kShapeRules, color_rules(variable_of)); }

std::string chart_variables(Theme theme) {
  std::string css;
  const auto add = [&](const NamedColor& color) {
    css +=
        text("--chart-", color.name, ":", theme == Theme::kLight ? color.light : color.dark, ";");
  };
  for (const NamedColor& tone : kTones) add(tone);
  for (const NamedColor& color : kColors) add(color);
  return css;
}

}  // namespace qload::chart
