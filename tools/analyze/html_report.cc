#include "tools/analyze/html_report.h"

#include <algorithm>
#include <filesystem>
#include <random>
#include <set>

#include "format/base/format_text.h"
#include "tools/analyze/html_tables.h"
#include "tools/analyze/page_parts.h"
#include "tools/analyze/report_figures.h"
#include "tools/chart/markup.h"
#include "tools/chart/render_chart.h"
#include "tools/report/size_text.h"

namespace qload::analyze {
namespace {

using chart::escape_markup;
using tools::format_rate;

/// The last part of a path: what people call the model.
std::string short_name(const std::string& input) {
  const std::filesystem::path path(input);
  const std::string name = (path.has_filename() ? path : path.parent_path()).filename().string();
  return name.empty() ? input : name;
}

std::string page_start(const ModelAnalysis& analysis, const std::string& nonce) {
  return text(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'nonce-",
      nonce, "'; script-src 'nonce-", nonce,
      "'; base-uri 'none'; form-action 'none'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<meta name=\"referrer\" content=\"no-referrer\">\n<title>",
      escape_markup(short_name(analysis.input)), " - qpack analyze</title>\n<style nonce=\"", nonce,
      "\">\n", page_style(), "</style>\n</head>\n<body>\n");
}

size_t layer_count(const ModelAnalysis& analysis) {
  return static_cast<size_t>(std::ranges::count_if(
      analysis.layers, [](const LayerAnalysis& layer) { return layer.layer != kNoLayer; }));
}

std::string card(std::string_view label, std::string_view value, std::string_view note) {
  return text("<li><span class=\"faint small\">", escape_markup(label), "</span><strong>",
              escape_markup(value), "</strong><span class=\"small\">", escape_markup(note),
              "</span></li>\n");
}

std::string load_card(const LoadPrediction& load) {
  const LoadPoint& at = load.at_target;
  const std::string label =
      text("A load on ", load.target, ", ", format_rate(at.storage_bytes_per_second));
  const std::string times =
      text(seconds_text(at.plain_seconds), " plain, ", seconds_text(at.packed_seconds), " packed");
  if (!(at.packed_seconds > 0)) return card(label, "-", times);
  return card(label, text(number_text(at.plain_seconds / at.packed_seconds, 2), " times as fast"),
              times);
}

std::string payoff_card(const LoadPrediction& load) {
  const std::string with = text("with the processors of ", load.target);
  switch (load.payoff) {
    case Payoff::kAlways:
      return card("Packing pays", "at any storage rate", with);
    case Payoff::kNever:
      return card("Packing pays", "at no storage rate", with);
    case Payoff::kUpTo:
      break;
  }
  return card("Packing pays up to", format_rate(load.break_even_rate), with);
}

std::string cards(const ModelAnalysis& analysis) {
  const Figures& total = analysis.total;
  const bool packed = analysis.format == "container";
  std::string html = "<ul class=\"cards\">\n";
  html += card(packed ? "Packed" : "qpack pack would give",
               text(number_text(analysis.packed_ratio(), 3), " : 1"),
               text(bytes_text(static_cast<double>(analysis.input_bytes)), " to ",
                    bytes_text(analysis.load.container_bytes)));
  html += load_card(analysis.load);
  html += payoff_card(analysis.load);
  html += card("Order-0 entropy", text(number_text(total.bits_per_value(), 3), " bits a value"),
               text("a bound of ", number_text(ratio_bound(total), 3), " : 1, ",
                    number_text(chunk_ratio_bound(total), 3), " by chunk"));
  if (!total.packed.forms.empty()) {
    const FormShare& form = total.packed.forms.front();
    html += card("Most common form",
                 percent_text(static_cast<double>(form.bytes), static_cast<double>(total.bytes)),
                 text("of the bytes: ", form.form));
  }
  html +=
      card("Tensors", std::to_string(analysis.tensor_count),
           text(layer_count(analysis), " layers, ", analysis.format,
                analysis.duplicate_count > 0 ? text(", ", analysis.duplicate_count, " duplicates")
                                             : ""));
  return html + "</ul>\n";
}

std::string how_text(const ModelAnalysis& analysis) {
  std::string how = analysis.sample_share < 1 ? text(percent_text(analysis.sample_share, 1),
                                                     " of the bytes read; figures are estimates. ")
                                              : std::string("Every byte counted. ");
  how += text("Codecs tried on ", analysis.measured_chunk_count, " of ", analysis.chunk_count,
              " chunks. ", tools::format_seconds(analysis.seconds), ", ", analysis.threads,
              analysis.threads == 1 ? " thread." : " threads.");
  const PackedFigures& packed = analysis.total.packed;
  if (packed.stored_bytes_error > 0) {
    how += text(" Standard error of the packed size: ",
                number_text(100 * packed.stored_bytes_error / packed.stored_bytes, 2), " %.");
  }
  return how;
}

std::string page_head(const ModelAnalysis& analysis, std::span<const ReportSection> sections) {
  std::string html = text(
      "<header>\n<button id=\"theme\" type=\"button\" hidden></button>\n<h1>What compresses in "
      "<bdi>",
      breakable_markup(short_name(analysis.input)), "</bdi></h1>\n<p class=\"faint\"><bdi>",
      breakable_markup(analysis.input), "</bdi>. ", escape_markup(how_text(analysis)), "</p>\n");
  html += cards(analysis);
  html += "<nav aria-label=\"Sections\"><ul>\n";
  for (const ReportSection& section : sections) {
    html += text("<li><a href=\"#", section.name, "\">", section.title, "</a></li>\n");
  }
  return html + "<li><a href=\"#tensors\">Tensors</a></li>\n</ul></nav>\n</header>\n<main>\n";
}

std::string figure_html(const ReportFigure& figure) {
  std::string html =
      text("<figure id=\"", figure.name, "\">\n<h3><bdi>", breakable_markup(figure.chart.title),
           "</bdi></h3>\n<p class=\"small\">", escape_markup(figure.caption), "</p>\n");
  html += "<div class=\"wide\">" +
          chart::render_chart(figure.chart, {.alone = false, .id = figure.name + "_wide"}) +
          "</div>\n";
  html += "<div class=\"narrow\">" +
          chart::render_chart(
              figure.chart,
              {.width = chart::kNarrowChartWidth, .alone = false, .id = figure.name + "_narrow"}) +
          "</div>\n";
  if (!figure.numbers.rows.empty()) {
    html +=
        text("<details><summary>The numbers</summary>\n",
             number_table_html(figure.numbers, "Numbers: " + figure.chart.title), "</details>\n");
  }
  return html + "</figure>\n";
}

constexpr std::string_view kWords = R"html(<section id="words"><h2>Words</h2>
<dl class="small">
<dt>Ratio</dt><dd>Bytes by stored bytes: 1.5 means that two thirds are stored.</dd>
<dt>Order-0 entropy, bound</dt><dd>What a code that looks at each byte alone needs at least, with one
table for each tensor or for each chunk; after the filter that splits values into streams best.
Match search can pass the bound where bytes repeat.</dd>
<dt>Packed</dt><dd>By the recipe that <code>qpack pack</code> chooses, chunk by chunk; of a container,
what it has.</dd>
<dt>Absmax/std</dt><dd>The largest magnitude in standard deviations: the wider, the fewer bits codes of
INT8 take.</dd>
</dl></section>
)html";

}  // namespace

std::string make_nonce() {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::random_device device;
  std::string nonce;
  for (int word = 0; word < 4; ++word) {
    uint32_t bits = device();
    for (int digit = 0; digit < 8; ++digit, bits >>= 4) nonce += kDigits[bits & 15];
  }
  return nonce;
}

bool write_html_report(const ModelAnalysis& analysis, std::span<const ValuePreview> previews,
                       const HtmlOptions& options, const ReportSink& sink) {
  const std::vector<ReportSection> sections = report_sections(analysis, previews);
  if (!sink(page_start(analysis, options.nonce) + page_head(analysis, sections))) return false;
  for (const ReportSection& section : sections) {
    std::string html = text("<section id=\"", section.name, "\">\n<h2>", section.title, "</h2>\n");
    for (const ReportFigure& figure : section.figures) html += figure_html(figure);
    if (!sink(html + "</section>\n")) return false;
  }
  return sink(
      text("<section id=\"tensors\"><h2>Tensors</h2>\n",
           tensor_table_html(analysis, options.pattern), "</section>\n", kWords,
           "</main>\n<footer class=\"faint small\">Made by qpack analyze. This page is one "
           "file and loads nothing.</footer>\n<div id=\"tip\" role=\"status\" hidden></div>\n"
           "<script nonce=\"",
           options.nonce, "\">", page_script(), "</script>\n</body>\n</html>\n"));
}

}  // namespace qload::analyze
