// Reports as text and as files: escaping, limits, awkward figures, and what failures leave behind.
#include "tools/analyze/html_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <regex>

#include "tests/cli/run_tool.h"
#include "tests/support/model_fixtures.h"
#include "tests/support/xml_check.h"
#include "tools/analyze/html_tables.h"
#include "tools/chart/render_chart.h"

namespace qload::analyze {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TensorAnalysis tensor_of(std::string name, uint64_t bytes) {
  TensorAnalysis tensor{.name = std::move(name), .dtype = DType::kI8, .dtype_name = "I8"};
  tensor.shape = {bytes};
  tensor.figures.tensor_count = 1;
  tensor.figures.bytes = bytes;
  tensor.figures.value_count = bytes;
  tensor.figures.packed.stored_bytes = static_cast<double>(bytes) / 1.5;
  return tensor;
}

std::string html_of(const ModelAnalysis& analysis, const HtmlOptions& options = {}) {
  std::string html;
  EXPECT_TRUE(write_html_report(analysis, {}, options, [&](std::string_view part) {
    html += part;
    return true;
  }));
  return html;
}

size_t count_of(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

TEST(HtmlReport, EscapesWhateverTheModelSays) {
  const std::string nasty = "</script><script>alert(1)</script><img src=x onerror=\"'&";
  ModelAnalysis analysis{.input = "/models/" + nasty + ".safetensors", .format = "safetensors"};
  analysis.tensors = {tensor_of(nasty, 100), tensor_of("plain", 50), tensor_of("twin", 50)};
  analysis.tensors[2].same_as = 0;
  analysis.total = analysis.tensors[0].figures;
  analysis.total.packed.forms = {{nasty, 100}};
  analysis.load.target = nasty;
  analysis.load.target_description = nasty;
  analysis.load.curve = {{1e9, 1, 0.5}, {1e10, 0.1, 0.1}};
  analysis.load.at_target = analysis.load.curve[0];
  const std::string html = html_of(analysis, {.pattern = nasty, .nonce = "N0nce"});
  EXPECT_EQ(count_of(html, "<script"), 1u);
  EXPECT_EQ(count_of(html, "</script>"), 1u);
  EXPECT_THAT(html, Not(HasSubstr("<img")));
  EXPECT_THAT(html, HasSubstr("script-src 'nonce-N0nce'"));
  EXPECT_EQ(count_of(html, "nonce=\"N0nce\""), 2u);
  // Nothing names another place: the SVG namespace is a name, not an address that is read.
  const std::string addresses =
      std::regex_replace(html, std::regex("xmlns=\"http://www.w3.org/2000/svg\""), "");
  EXPECT_THAT(addresses, AllOf(Not(HasSubstr("http:")), Not(HasSubstr("https:")),
                               Not(HasSubstr("url(")), Not(HasSubstr("@import"))));
}

TEST(HtmlReport, NoncesAreNotGuessed) {
  const std::string nonce = make_nonce();
  EXPECT_TRUE(std::regex_match(nonce, std::regex("[0-9a-f]{32}")));
  EXPECT_NE(nonce, make_nonce());
}

TEST(HtmlReport, SaysWhichTensorsItLeavesOut) {
  ModelAnalysis analysis;
  for (uint64_t i = 0; i < kTableRowsMax + 1; ++i) {
    analysis.tensors.push_back(tensor_of("t" + std::to_string(i) + "e", 1000 + i));
  }
  const std::string many = tensor_table_html(analysis, "");
  EXPECT_EQ(count_of(many, "<td class=\"name\">"), kTableRowsMax);
  EXPECT_THAT(many, HasSubstr("The 2000 largest of 2001 tensors"));
  EXPECT_THAT(many, Not(HasSubstr(">t0e<")));
  analysis.tensors.pop_back();
  const std::string all = tensor_table_html(analysis, "");
  EXPECT_THAT(all, Not(HasSubstr("largest of")));
  EXPECT_THAT(all, HasSubstr(">t0e<"));
  const std::string some = tensor_table_html(analysis, "t12?e");
  EXPECT_EQ(count_of(some, "<td class=\"name\">"), 10u);
  EXPECT_THAT(some, HasSubstr("<code>t12?e</code>"));
}

// A model may say that it has as many layers as tensors.
TEST(HtmlReport, DrawsSomeOfVeryManyLayers) {
  ModelAnalysis analysis;
  for (uint32_t layer = 0; layer < 20000; ++layer) {
    analysis.tensors.push_back(tensor_of("t", 100));
    analysis.tensors.back().layer = layer;
  }
  analysis.total = analysis.tensors.front().figures;
  const std::string html = html_of(analysis);
  EXPECT_LT(html.size(), 3u << 20);
  EXPECT_THAT(html, HasSubstr("The first 1000 layers."));
  EXPECT_THAT(html, HasSubstr("The first 2000 of 20000 rows."));
}

TEST(HtmlReport, NamesBreakBehindTheirParts) {
  EXPECT_EQ(breakable_markup("a.b/<c>_&d"), "a.<wbr>b/<wbr>&lt;c&gt;_<wbr>&amp;d");
}

// Models without tensors, without bytes, with figures that are no numbers.
TEST(HtmlReport, AwkwardFiguresAreShownAsNone) {
  EXPECT_THAT(html_of({}), HasSubstr("What compresses in"));
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  ModelAnalysis analysis;
  analysis.tensors = {tensor_of("a.up", 100), tensor_of("zeros", 100), tensor_of("none", 0)};
  analysis.tensors[0].values = {.value_count = 100,
                                .minimum = -kInfinity,
                                .maximum = 1e308,
                                .mean = kNan,
                                .deviation = kInfinity,
                                .kurtosis = kNan};
  analysis.tensors[0].histogram = {.bins = ValueHistogram::Bins::kLinear,
                                   .lower = -1e308,
                                   .upper = 1e308,
                                   .counts = std::vector<uint64_t>(kLinearBinCount, UINT64_MAX)};
  analysis.tensors[1].figures.packed.stored_bytes = 0;
  for (TensorAnalysis& tensor : analysis.tensors) tensor.layer = 3;
  for (const TensorKind kind : {TensorKind::kUp, TensorKind::kOther}) {
    analysis.kinds.push_back({kind, analysis.tensors[kind == TensorKind::kOther].figures, {}});
  }
  analysis.total = analysis.tensors[0].figures;
  analysis.load.curve = {{1e9, kInfinity, 0}, {1e10, 0, 0}};
  const std::vector<ValuePreview> previews = {
      {0, Int8Preview{{analysis.tensors[0].histogram, 0}, std::nullopt}}};
  for (const ReportSection& section : report_sections(analysis, previews)) {
    for (const ReportFigure& figure : section.figures) {
      const std::string svg = chart::render_chart(figure.chart, {});
      EXPECT_EQ(test::find_xml_error(svg), "") << figure.name;
      EXPECT_FALSE(std::regex_search(svg, std::regex("=\"[^\"]*(nan|inf)[^\"]*\"")))
          << figure.name << svg;
      EXPECT_THAT(figure_names(), testing::Contains(figure.name));
    }
  }
  EXPECT_THAT(html_of(analysis), Not(HasSubstr(">nan<")));
}

TEST(HtmlReport, EndsWithTheSink) {
  int parts = 0;
  EXPECT_FALSE(write_html_report({}, {}, {}, [&](std::string_view) { return ++parts < 2; }));
  EXPECT_EQ(parts, 2);
}

class ReportFilesCli : public testing::Test {
 protected:
  ReportFilesCli() { test::write_file(directory_ / "m.safetensors", test::small_int8_model(3)); }

  std::string path(const std::string& name) const { return directory_ / name; }
  std::vector<std::string> files() const { return test::list_directory(directory_.path()); }
  /// The arguments of analyzing the model.
  std::vector<std::string> with(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"analyze", path("m.safetensors")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }
  std::string text_of(const std::string& name) const {
    const std::vector<std::byte> bytes = test::read_file(directory_ / name);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  test::TempDirectory directory_;
};

TEST_F(ReportFilesCli, WritesAPageAndCharts) {
  const test::ToolResult result = test::expect_success(
      with({"--report", path("charts/index.html"), "--charts", path("charts"), "--json"}));
  EXPECT_TRUE(test::parse_output(result).contains("tensors"));
  const std::vector<std::string> charts = test::list_directory(directory_ / "charts");
  EXPECT_THAT(charts, testing::IsSupersetOf({"codec_speed.svg", "index.html", "load_time.svg",
                                             "ratio_by_kind.svg", "ratio_by_layer.svg",
                                             "values.svg", "weight_share.svg"}));
  for (const std::string& chart : charts) {
    if (!chart.ends_with(".svg")) continue;
    EXPECT_EQ(test::find_xml_error(text_of("charts/" + chart)), "") << chart;
  }
  EXPECT_THAT(text_of("charts/index.html"), HasSubstr("model.embed_tokens.weight"));
}

TEST_F(ReportFilesCli, ReplacesOnlyWhenForced) {
  test::write_file(directory_ / "r.html", std::string_view("mine"));
  test::expect_failure(with({"--report", path("r.html")}), 2, "--force replaces it");
  EXPECT_EQ(text_of("r.html"), "mine");
  test::expect_success(with({"--report", path("r.html"), "--force"}));
  EXPECT_THAT(text_of("r.html"), HasSubstr("<!DOCTYPE html>"));
  std::filesystem::create_directory(directory_ / "c");
  test::write_file(directory_ / "c/values_up.svg", std::string_view("mine"));
  test::expect_failure(with({"--charts", path("c")}), 2, "values_up.svg");
  EXPECT_THAT(test::list_directory(directory_ / "c"), ElementsAre("values_up.svg"));
  test::expect_success(with({"--charts", path("c"), "--force"}));
}

TEST_F(ReportFilesCli, RefusesBeforeAnyWork) {
  test::expect_failure(with({"--report", path("m.safetensors"), "--force"}), 2, "end in .html");
  test::expect_failure(with({"--report", path("no/such.html")}), 5, "no");
  test::expect_failure(with({"--charts", path("no/such")}), 5, "no");
  test::expect_failure(with({"--charts", path("m.safetensors")}), 1, "m.safetensors");
  std::filesystem::create_directory(directory_ / "d.html");
  test::expect_failure(with({"--report", path("d.html"), "--force"}), 2, "directory");
  EXPECT_THAT(files(), ElementsAre("d.html", "m.safetensors"));
}

TEST_F(ReportFilesCli, FailuresLeaveNothing) {
  test::write_file(directory_ / "bad.safetensors", std::string_view("this is no model"));
  test::expect_failure(
      {"analyze", path("bad.safetensors"), "--report", path("r.html"), "--charts", path("charts")},
      3, "bad.safetensors");
  test::expect_failure({"analyze", path("missing"), "--charts", path("charts")}, 5, "missing");
  EXPECT_THAT(files(), ElementsAre("bad.safetensors", "m.safetensors"));
}

}  // namespace
}  // namespace qload::analyze
