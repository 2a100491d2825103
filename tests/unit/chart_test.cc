// Charts: round ticks, text that stays text, drawings that stay within their frame.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <regex>

#include "format/base/format_text.h"
#include "tests/support/xml_check.h"
#include "tools/chart/axis_scale.h"
#include "tools/chart/chart_style.h"
#include "tools/chart/markup.h"
#include "tools/chart/render_chart.h"
#include "tools/chart/svg_canvas.h"

namespace qload::chart {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<std::string> texts_of(const AxisScale& scale) {
  std::vector<std::string> texts;
  for (const AxisTick& tick : scale.ticks) texts.push_back(tick.text);
  return texts;
}

TEST(AxisScale, TicksAreRoundAndEncloseTheValues) {
  EXPECT_THAT(choose_ticks(0, 10), ElementsAre(0, 2, 4, 6, 8, 10));
  for (const auto& [low, high] : {std::pair{0.0, 0.037},
                                  {-12.0, 55.0},
                                  {0.0, 1e9},
                                  {-3.0, -1.0},
                                  {0.0, 0.0},
                                  {1e20, 1e20},
                                  {1e20, 1e20 + 1e5},
                                  {7.0, 7.0 + 1e-12},
                                  {-kPlotValueMax, kPlotValueMax},
                                  {1e-200, 2e-200}}) {
    const std::vector<double> ticks = choose_ticks(low, high);
    SCOPED_TRACE(testing::Message() << low << " " << high);
    EXPECT_GE(ticks.size(), 2u);
    EXPECT_LE(ticks.size(), 7u);
    EXPECT_LE(ticks.front(), low + 1e-9);
    EXPECT_GE(ticks.back(), high - std::abs(high) * 1e-9);
    for (size_t i = 1; i < ticks.size(); ++i) EXPECT_LT(ticks[i - 1], ticks[i]);
  }
}

TEST(AxisScale, NumbersHaveTheDigitsThatTheirStepNeeds) {
  EXPECT_THAT(texts_of(round_scale(0, 1)), ElementsAre("0", "0.2", "0.4", "0.6", "0.8", "1.0"));
  EXPECT_THAT(texts_of(round_scale(0, 5e6)),
              ElementsAre("0", "1e+06", "2e+06", "3e+06", "4e+06", "5e+06"));
  EXPECT_THAT(texts_of(exact_scale(0, 31)), ElementsAre("0", "10", "20", "30"));
}

TEST(AxisScale, LogarithmicTicksAreOnesTwosAndFives) {
  const AxisScale decades = logarithmic_scale(0.01, 100);
  EXPECT_EQ(decades.low, 0.01);
  EXPECT_NEAR(decades.high, 100, 1e-9);
  EXPECT_THAT(texts_of(decades),
              ElementsAre("0.01", "", "", "0.1", "", "", "1", "", "", "10", "", "", "100"));
  EXPECT_NEAR(decades.share_of(1), 0.5, 1e-12);
  EXPECT_THAT(texts_of(logarithmic_scale(0.3, 0.9)), ElementsAre("0.2", "0.5", "1"));
  for (const auto& [low, high] : {std::pair{3.0, 3.0}, {1e-150, 1e150}, {1e-9, 1e12}}) {
    const AxisScale scale = logarithmic_scale(low, high);
    EXPECT_LE(scale.low, low * (1 + 1e-9));
    EXPECT_GE(scale.high, high * (1 - 1e-9));
    EXPECT_LT(scale.low, scale.high);
    EXPECT_GE(scale.ticks.size(), 1u);
    EXPECT_LE(scale.ticks.size(), 16u);
  }
}

TEST(Markup, TextStaysText) {
  EXPECT_EQ(escape_markup("</script><img src=x onerror='a(\"&\")'>"),
            "&lt;/script&gt;&lt;img src=x onerror=&#39;a(&quot;&amp;&quot;)&#39;&gt;");
  EXPECT_EQ(escape_markup("a\tb\nc"), "a b c");
  EXPECT_EQ(escape_markup(std::string_view("\x00\x1b\x7f", 3)), "\uFFFD\uFFFD\uFFFD");
  // Cut and overlong sequences, a surrogate, and bytes that begin nothing.
  EXPECT_EQ(escape_markup("a\xC3"), "a\uFFFD");
  EXPECT_EQ(escape_markup("\xC0\xBC"), "\uFFFD\uFFFD");
  EXPECT_EQ(escape_markup("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(escape_markup("\xFFz"), "\uFFFDz");
  // Overrides and isolates of direction; noncharacters.
  EXPECT_EQ(escape_markup("a\u202Eb\u2066c\uFFFE"), "a\uFFFDb\uFFFDc\uFFFD");
  EXPECT_EQ(escape_markup("Wörter, 重み, \U0001F600"), "Wörter, 重み, \U0001F600");
}

TEST(SvgCanvas, LongTextLosesItsMiddle) {
  EXPECT_EQ(shorten_middle("abcdefgh", 100, 10), "abcdefgh");
  EXPECT_EQ(shorten_middle("abcdefgh", 50, 10), "abc…fgh");
  EXPECT_EQ(shorten_middle("abcdefgh", 0, 10), "a…h");
  EXPECT_EQ(shorten_middle("abc", 0, 10), "abc");
  EXPECT_EQ(shorten_middle("äöüäöü", 42, 10), "äö…öü");
  for (const char letter : {'i', 'x', 'W'}) {
    const std::string shortened = shorten_middle(std::string(100, letter), 200, 12);
    EXPECT_LE(text_width(shortened, 12), 200);
    EXPECT_GT(text_width(shortened, 12), 170);
  }
  EXPECT_EQ(shorten_middle("\x80\x80\x80\x80\x80", 1, 10),
            "\x80\x80\x80\x80\x80");  // One character.
}

TEST(SvgCanvas, TextIsBrokenAtSpaces) {
  EXPECT_THAT(wrap_text("one two three", 60, 10), ElementsAre("one two", "three"));
  EXPECT_THAT(wrap_text("abcdefghknop", 60, 10), ElementsAre("abc…knop"));
  EXPECT_THAT(wrap_text("", 60, 10), ElementsAre());
  EXPECT_EQ(coordinate(-0.01), "0");
  EXPECT_EQ(coordinate(12.25), "12.2");
}

/// One panel of each kind, with texts and numbers that break what is careless.
Chart awkward_chart() {
  const std::string nasty = "a<b & \"c\" 'd' ]]> \x01\t\xFF</svg>" + std::string(500, 'w');
  Chart chart{.title = nasty, .description = nasty, .subtitles = {nasty}, .notes = {nasty}};
  chart.panels.push_back(
      {.title = nasty,
       .subtitle = nasty,
       .plot = BarPlot{.value_label = nasty,
                       .groups = {nasty, "two"},
                       .series = {{.name = nasty,
                                   .outlined = true,
                                   .bars = {Bar{-1, -2, 3}, Bar{kNan, 0, kInfinity}}},
                                  {.name = "short", .color = Color::kRed, .bars = {}},
                                  {.name = "large", .bars = {std::nullopt, Bar{1e308, 5, 1e308}}}},
                       .decimals = 1,
                       .value_max = 10}});
  PointPlot points{
      .x = {.label = nasty, .logarithmic = true},
      .y = {.label = nasty},
      .series = {{.name = nasty,
                  .marks = PointSeries::Marks::kLineAndDots,
                  .points = {{0, 1}, {-1, 1}, {kInfinity, 2}, {1, kNan}, {1, 5}, {9, 3}}},
                 {.name = nasty,
                  .marks = PointSeries::Marks::kDots,
                  .faint = true,
                  .points = {{1, 5, nasty}, {1, 5, nasty}}}},
      .references = {{ReferenceLine::Axis::kX, 0, nasty},
                     {ReferenceLine::Axis::kX, 4, nasty},
                     {ReferenceLine::Axis::kY, 4, nasty}}};
  chart.panels.push_back({.title = nasty, .plot = points});
  chart.panels.push_back({.title = nasty,
                          .plot = HistogramPlot{.value_label = nasty,
                                                .ticks = {{0, nasty}, {1, "1"}},
                                                .counts = {0, UINT64_MAX, UINT64_MAX, 1}}});
  chart.panels.push_back({.title = nasty,
                          .plot = SharePlot{.parts = {{nasty}, {"b", Color::kGrey}},
                                            .rows = {{nasty, {1, kNan, 3}, {nasty}}, {"", {}}}}});
  chart.panels.push_back({.title = "no bars", .plot = BarPlot{}});
  chart.panels.push_back({.title = "no points", .plot = PointPlot{}});
  chart.panels.push_back({.title = "no counts", .plot = HistogramPlot{}});
  chart.panels.push_back({.title = "no rows", .plot = SharePlot{}});
  return chart;
}

TEST(RenderChart, IsWellFormedWhateverTheNamesAndNumbers) {
  for (const double width : {kChartWidth, kNarrowChartWidth}) {
    for (const bool alone : {true, false}) {
      const std::string svg =
          render_chart(awkward_chart(), {.width = width, .alone = alone, .id = "c1"});
      EXPECT_EQ(test::find_xml_error(svg), "") << svg;
      EXPECT_THAT(svg, HasSubstr("nothing was measured"));
      EXPECT_THAT(svg, Not(HasSubstr("nan")));
      EXPECT_THAT(svg, Not(HasSubstr("inf")));
      EXPECT_EQ(svg.find("<style>") != std::string::npos, alone);
    }
  }
  // What the check is worth.
  for (const char* wrong :
       {"", "<a>", "<a></b>", "<a b=c/>", "<a>&x</a>", "<a/><a/>", "<a>\x01</a>", "<a b=\"<\"/>"}) {
    EXPECT_NE(test::find_xml_error(wrong), "") << wrong;
  }
}

// By the coordinates that stand in the document; text as wide as its letters are on average.
TEST(RenderChart, StaysWithinItsFrame) {
  for (const double width : {kChartWidth, kNarrowChartWidth}) {
    const std::string svg = render_chart(awkward_chart(), {.width = width});
    std::smatch size;
    ASSERT_TRUE(std::regex_search(svg, size, std::regex("viewBox=\"0 0 ([0-9.]+) ([0-9.]+)\"")));
    EXPECT_EQ(std::stod(size[1]), width);
    const double height = std::stod(size[2]);
    const std::regex attribute("(x|y|x1|x2|y1|y2|cx|cy)=\"(-?[0-9.]+)\"");
    for (std::sregex_iterator at(svg.begin(), svg.end(), attribute), end; at != end; ++at) {
      const double value = std::stod((*at)[2]);
      const bool across = (*at)[1].str().find('x') != std::string::npos;
      EXPECT_GE(value, 0) << at->str();
      EXPECT_LE(value, across ? width : height) << at->str();
    }
  }
}

TEST(RenderChart, PanelsStandBesideEachOtherWhereThereIsRoom) {
  Chart chart{.title = "two", .columns = 2};
  for (const char* title : {"left", "right"}) {
    chart.panels.push_back({.title = title, .plot = HistogramPlot{.counts = {1, 2}}});
  }
  const auto height = [&](double width) {
    const std::string svg = render_chart(chart, {.width = width, .alone = false});
    std::smatch found;
    EXPECT_TRUE(std::regex_search(svg, found, std::regex(" height=\"([0-9.]+)\"")));
    return std::stod(found[1]);
  };
  EXPECT_GT(height(kNarrowChartWidth), 1.9 * height(kChartWidth));
}

TEST(RenderChart, BarsAreAsLongAsTheirValues) {
  const BarPlot plot{
      .value_label = "v",
      .groups = {"g"},
      .series = {{.name = "s", .bars = {Bar{2, 2, 2}}}, {.name = "t", .bars = {Bar{1, 1, 1}}}}};
  const std::string svg =
      render_chart({.title = "bars", .panels = {{.title = "", .plot = plot}}}, {.alone = false});
  const std::regex bar("<rect [^>]*width=\"([0-9.]+)\" height=\"14\"");
  std::vector<double> widths;
  for (std::sregex_iterator at(svg.begin(), svg.end(), bar), end; at != end; ++at) {
    widths.push_back(std::stod((*at)[1]));
  }
  ASSERT_EQ(widths.size(), 2u);
  EXPECT_NEAR(widths[0], 2 * widths[1], 0.2);
  EXPECT_GT(widths[0], 600);
}

/// Relative luminance of "#rrggbb" (WCAG 2.2).
double luminance(const std::string& color) {
  const auto channel = [&](size_t at) {
    const double value = std::stoi(color.substr(at, 2), nullptr, 16) / 255.0;
    return value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}

TEST(ChartStyle, ColorsStandOutFromTheirGround) {
  for (const Theme theme : {Theme::kLight, Theme::kDark}) {
    const std::string variables = chart_variables(theme);
    const auto contrast = [&](const std::string& name) {
      const std::string key = "--chart-" + name + ":";
      const auto of = [&](const std::string& from) {
        return luminance(variables.substr(variables.find(from) + from.size(), 7));
      };
      const double one = of(key) + 0.05;
      const double ground = of("--chart-paper:") + 0.05;
      return std::max(one, ground) / std::min(one, ground);
    };
    EXPECT_GE(contrast("ink"), 7);
    EXPECT_GE(contrast("faint"), 4.5);
    for (const char* color : {"blue", "orange", "green", "red", "sky", "purple", "pink", "grey"}) {
      EXPECT_GE(contrast(color), 3) << color;
    }
  }
  EXPECT_THAT(chart_page_style(), HasSubstr(".fill-blue{fill:var(--chart-blue)}"));
  EXPECT_EQ(fill_class(Color::kPink), "fill-pink");
}

}  // namespace
}  // namespace qload::chart
