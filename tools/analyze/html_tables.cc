#include "tools/analyze/html_tables.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "format/base/format_text.h"
#include "tools/chart/markup.h"
#include "tools/report/size_text.h"

namespace qload::analyze {
namespace {

using chart::escape_markup;

/// Opens a region that scrolls by itself, by keyboard as well.
std::string scroll_start(std::string_view label) {
  return text("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"",
              escape_markup(label), "\">\n");
}

std::string head_cell(std::string_view title) {
  const bool number = title.starts_with('>');
  if (number) title.remove_prefix(1);
  return text("<th scope=\"col\"", number ? " class=\"n\"" : "", ">", escape_markup(title),
              "</th>");
}

std::string text_cell(std::string_view classes, std::string_view words) {
  if (classes.empty()) return text("<td>", escape_markup(words), "</td>");
  return text("<td class=\"", classes, "\">", escape_markup(words), "</td>");
}

/// A number with what it is sorted by.
std::string number_cell(std::optional<double> value, std::string_view words) {
  if (!value || !std::isfinite(*value)) return "<td class=\"n\">-</td>";
  char buffer[48];
  const int length = std::snprintf(buffer, sizeof buffer, "%.9g", *value);
  return text("<td class=\"n\" data-v=\"", std::string_view(buffer, static_cast<size_t>(length)),
              "\">", escape_markup(words), "</td>");
}

std::string number_cell(std::optional<double> value, int decimals) {
  return number_cell(value, number_text(value, decimals));
}

std::string form_text(const PackedFigures& packed) {
  if (packed.forms.empty()) return "-";
  std::string out = packed.forms.front().form;
  if (packed.forms.size() > 1) out += text(" +", packed.forms.size() - 1);
  return out;
}

std::string name_cell(const ModelAnalysis& analysis, const TensorAnalysis& tensor) {
  std::string html =
      text("<td class=\"name\"><bdi>", breakable_markup(tensor_label(tensor)), "</bdi>");
  if (tensor.same_as) {
    html += text(" <span class=\"faint\">same as <bdi>",
                 escape_markup(tensor_label(analysis.tensors[*tensor.same_as])), "</bdi></span>");
  }
  if (tensor.inferred) html += " <span class=\"faint\">not read</span>";
  return html + "</td>";
}

std::optional<double> layer_rank(const TensorAnalysis& tensor) {
  if (tensor.layer == kNoLayer) return std::nullopt;
  return static_cast<double>(tensor.stack) * 1e6 + tensor.layer;
}

std::string tensor_row(const ModelAnalysis& analysis, const TensorAnalysis& tensor) {
  const Figures& figures = tensor.figures;
  const auto bytes = static_cast<double>(figures.bytes);
  const double saved = bytes - figures.packed.stored_bytes;
  std::string row = "<tr>" + name_cell(analysis, tensor);
  row += text_cell({}, tensor_kind_name(tensor.kind));
  row += text_cell({}, tensor.dtype_name);
  row += number_cell(static_cast<double>(figures.value_count), tools::format_shape(tensor.shape));
  row += number_cell(layer_rank(tensor), layer_name(tensor.stack, tensor.layer));
  row += number_cell(bytes, tools::format_size(figures.bytes));
  row += number_cell(figures.bits_per_value(), 3);
  row += number_cell(chunk_ratio_bound(figures), 3);
  row += number_cell(ratio(figures.bytes, figures.packed.stored_bytes), 3);
  row += number_cell(saved, saved > 0 ? bytes_text(saved) : "0 B");
  row += number_cell(tensor.values.absmax_in_deviations(), 1);
  const bool has_values = tensor.values.value_count > 0;
  row += number_cell(has_values ? std::optional(tensor.values.kurtosis) : std::nullopt, 2);
  row += text_cell("form", form_text(figures.packed));
  return row + "</tr>\n";
}

constexpr std::array<std::string_view, 13> kTensorTitles = {
    "Tensor", "Kind",    "Type",   ">Shape",      ">Layer",    ">Size",    ">Bits/value",
    ">Bound", ">Packed", ">Saved", ">Absmax/std", ">Kurtosis", "Stored as"};

std::string controls(const ModelAnalysis& analysis) {
  std::string html =
      "<div class=\"controls\" id=\"tensors-controls\" hidden>\n"
      "<input id=\"tensors-words\" type=\"search\" placeholder=\"Part of a name\" "
      "aria-label=\"Part of a tensor's name\">\n"
      "<select id=\"tensors-kind\" aria-label=\"Kind of tensor\"><option value=\"\">all "
      "kinds</option>";
  for (const KindAnalysis& kind : analysis.kinds) {
    const std::string_view name = tensor_kind_name(kind.kind);
    html += text("<option value=\"", name, "\">", name, "</option>");
  }
  return html + "</select>\n<output id=\"tensors-shown\" aria-live=\"polite\"></output>\n</div>\n";
}

}  // namespace

std::string breakable_markup(std::string_view text) {
  std::string out;
  // No entity holds one of these.
  for (const char letter : escape_markup(text)) {
    out += letter;
    if (letter == '.' || letter == '/' || letter == '_' || letter == ':') out += "<wbr>";
  }
  return out;
}

std::string number_table_html(const NumberTable& table, std::string_view label) {
  std::string html = scroll_start(label) + "<table>\n<thead><tr>";
  for (const std::string& title : table.titles) html += head_cell(title);
  html += "</tr></thead>\n<tbody>\n";
  const size_t count = std::min<size_t>(table.rows.size(), kTableRowsMax);
  for (const std::vector<std::string>& row : std::span(table.rows).first(count)) {
    html += "<tr>";
    for (size_t i = 0; i < row.size(); ++i) {
      const bool number = i < table.titles.size() && table.titles[i].starts_with('>');
      html += text_cell(number ? "n" : "", row[i]);
    }
    html += "</tr>\n";
  }
  html += "</tbody>\n</table>\n</div>\n";
  if (count < table.rows.size()) {
    html += text("<p class=\"small\">The first ", count, " of ", table.rows.size(), " rows.</p>\n");
  }
  return html;
}

std::string tensor_table_html(const ModelAnalysis& analysis, const std::string& pattern) {
  const std::vector<uint32_t> all =
      choose_rows(analysis, {.pattern = pattern, .order = RowOrder::kSize});
  const size_t count = std::min<size_t>(all.size(), kTableRowsMax);
  std::string html = "<p>";
  if (count < all.size()) {
    html += text("The ", count, " largest of ", all.size(),
                 " tensors; <code>--json</code> and <code>--csv</code> have all. ");
  }
  if (!pattern.empty()) {
    html += text("Names that match <bdi><code>", escape_markup(pattern), "</code></bdi>. ");
  }
  html += "Largest first.</p>\n" + controls(analysis);
  html += "<div class=\"box\">" + scroll_start("Table of tensors") +
          "<table id=\"tensors-table\">\n<thead><tr>";
  for (const std::string_view title : kTensorTitles) html += head_cell(title);
  html += "</tr></thead>\n<tbody>\n";
  for (size_t i = 0; i < count; ++i) html += tensor_row(analysis, analysis.tensors[all[i]]);
  return html + "</tbody>\n</table>\n</div></div>\n";
}

}  // namespace qload::analyze
