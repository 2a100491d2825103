#include "tools/analyze/analysis_text.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "format/base/format_text.h"
#include "tools/report/size_text.h"
#include "tools/report/text_table.h"

namespace qload::analyze {
namespace {

using tools::format_fixed;
using tools::format_rate;
using tools::format_seconds;
using tools::format_size;
using tools::TextTable;

std::string number_text(std::optional<double> number, int decimals) {
  return number && std::isfinite(*number) ? format_fixed(*number, decimals) : "-";
}

std::string rate_text(std::optional<double> rate) { return rate ? format_rate(*rate) : "-"; }

std::string percent(double part, double whole) {
  return whole > 0 ? format_fixed(100 * part / whole, 1) + " %" : "-";
}

/// "0.02 %", of stored bytes; "exact" where all were measured.
std::string error_text(double error, double stored) {
  if (error == 0) return "exact";
  return "+-" + format_fixed(100 * error / stored, 2) + " %";
}

std::string form_text(const PackedFigures& packed) {
  if (packed.forms.empty()) return "-";
  std::string out = packed.forms.front().form;
  if (packed.forms.size() > 1) out += text(" +", packed.forms.size() - 1);
  return out;
}

std::string head_text(const ModelAnalysis& analysis) {
  std::string out = text(tools::printable(analysis.input), ": ", analysis.format, ", ",
                         analysis.tensor_count, " tensors");
  if (analysis.duplicate_count > 0) out += text(" (", analysis.duplicate_count, " duplicates)");
  out += text(", ", format_size(analysis.input_bytes));
  if (analysis.sample_share < 1) {
    out += text("; ", percent(analysis.sample_share, 1), " of the bytes read");
  }
  out += text("; codecs measured on ", analysis.measured_chunk_count, " of ", analysis.chunk_count,
              " chunks; ", format_seconds(analysis.seconds), ", ", analysis.threads, " threads\n");
  return out;
}

std::string codec_table(const ModelAnalysis& analysis) {
  const Figures& total = analysis.total;
  TextTable table({"codec", ">ratio", ">error", ">encode", ">decode", ">bits/value"});
  const auto bits_per_value = [&](double stored) {
    return total.value_count == 0 ? std::optional<double>()
                                  : 8 * stored / static_cast<double>(total.value_count);
  };
  for (size_t i = 0; i < kComparedCodecCount; ++i) {
    const CodecFigures& codec = total.codecs[i];
    table.add_row({std::string(compared_codec_name(static_cast<ComparedCodec>(i))),
                   number_text(ratio(total.bytes, codec.stored_bytes), 3),
                   error_text(codec.stored_bytes_error, codec.stored_bytes),
                   rate_text(codec.encode_rate()), rate_text(codec.decode_rate()),
                   number_text(bits_per_value(codec.stored_bytes), 3)});
  }
  table.add_row({analysis.format == "container" ? "as packed" : "qpack pack",
                 number_text(ratio(total.bytes, total.packed.stored_bytes), 3),
                 error_text(total.packed.stored_bytes_error, total.packed.stored_bytes), "-", "-",
                 number_text(bits_per_value(total.packed.stored_bytes), 3)});
  table.add_row({"order-0 bound, tables by tensor", number_text(ratio_bound(total), 3),
                 error_text(total.entropy_bits_error, total.entropy_bits), "-", "-",
                 number_text(total.bits_per_value(), 3)});
  table.add_row({"order-0 bound, tables by chunk", number_text(chunk_ratio_bound(total), 3),
                 error_text(total.entropy_bits_error, total.entropy_bits), "-", "-",
                 number_text(bits_per_value(total.chunk_entropy_bits / 8), 3)});
  return table.render();
}

std::vector<std::string_view> figure_titles(std::vector<std::string_view> first) {
  for (const std::string_view title : {">bits/value", "bits/byte of streams", ">bound", ">zstd",
                                       ">huffman", ">fse", ">zstd_lit", ">packed", "stored as"}) {
    first.push_back(title);
  }
  return first;
}

std::vector<std::string> figure_cells(std::vector<std::string> cells, const Figures& figures) {
  cells.push_back(number_text(figures.bits_per_value(), 3));
  const FilterEntropy* filter = best_filter(figures);
  cells.push_back(filter == nullptr ? "-" : stream_entropies(*filter, 2));
  cells.push_back(number_text(chunk_ratio_bound(figures), 3));
  for (const CodecFigures& codec : figures.codecs) {
    cells.push_back(number_text(ratio(figures.bytes, codec.stored_bytes), 3));
  }
  cells.push_back(number_text(ratio(figures.bytes, figures.packed.stored_bytes), 3));
  cells.push_back(form_text(figures.packed));
  return cells;
}

std::string kind_table(const ModelAnalysis& analysis) {
  TextTable table(figure_titles({"kind", ">tensors", ">share"}));
  for (const KindAnalysis& kind : analysis.kinds) {
    table.add_row(figure_cells(
        {std::string(tensor_kind_name(kind.kind)), std::to_string(kind.figures.tensor_count),
         percent(static_cast<double>(kind.figures.bytes),
                 static_cast<double>(analysis.total.bytes))},
        kind.figures));
  }
  return table.render();
}

std::string layer_table(const ModelAnalysis& analysis) {
  TextTable table(figure_titles({">layer", ">size"}));
  for (const LayerAnalysis& layer : analysis.layers) {
    table.add_row(figure_cells(
        {layer_name(layer.stack, layer.layer), format_size(layer.figures.bytes)}, layer.figures));
  }
  return table.render();
}

std::string tensor_table(const ModelAnalysis& analysis, const RowChoice& choice) {
  TextTable table(figure_titles({"tensor", "kind", "dtype", ">size", ">absmax/std", ">bell bits"}));
  for (const uint32_t row : choose_rows(analysis, choice)) {
    const TensorAnalysis& tensor = analysis.tensors[row];
    std::string name = tools::printable(tensor.name);
    if (tensor.same_as) {
      name += text(" = ", tools::printable(analysis.tensors[*tensor.same_as].name));
    }
    if (tensor.inferred) name += " (not read)";
    table.add_row(figure_cells(
        {std::move(name), std::string(tensor_kind_name(tensor.kind)), tensor.dtype_name,
         format_size(tensor.figures.bytes), number_text(tensor.values.absmax_in_deviations(), 1),
         number_text(tensor.values.bell_int8_bits(), 3)},
        tensor.figures));
  }
  return table.render();
}

/// Rates of the curve that people think in: one of each 1, 2 and 5.
bool is_shown(const LoadPoint& point, const LoadPrediction& load) {
  if (point.storage_bytes_per_second == load.at_target.storage_bytes_per_second) return true;
  const double steps = std::log10(point.storage_bytes_per_second) * 2;
  return std::fabs(steps - std::round(steps)) < 1e-6;
}

std::string load_table(const LoadPrediction& load) {
  TextTable table({">storage", ">plain s", ">packed s", ">x plain"});
  for (const LoadPoint& point : load.curve) {
    if (!is_shown(point, load)) continue;
    table.add_row({format_rate(point.storage_bytes_per_second),
                   format_fixed(point.plain_seconds, 3), format_fixed(point.packed_seconds, 3),
                   number_text(point.packed_seconds > 0
                                   ? std::optional(point.plain_seconds / point.packed_seconds)
                                   : std::nullopt,
                               2)});
  }
  std::string out = text("A load on ", tools::printable(load.target), " (",
                         format_rate(load.at_target.storage_bytes_per_second),
                         "): ", format_seconds(load.at_target.plain_seconds), " plain, ",
                         format_seconds(load.at_target.packed_seconds), " packed. ");
  if (load.payoff == Payoff::kUpTo) {
    out += text("With its processors packing pays up to ", format_rate(load.break_even_rate),
                " of storage.\n");
  } else {
    out += load.payoff == Payoff::kAlways ? "With its processors packing pays at any rate.\n"
                                          : "With its processors packing does not pay.\n";
  }
  return out + table.render();
}

}  // namespace

std::string analysis_text(const ModelAnalysis& analysis, const RowChoice& rows) {
  std::string out = head_text(analysis);
  out += text("\n", codec_table(analysis), "\n", kind_table(analysis));
  if (analysis.layers.size() > 1) out += text("\n", layer_table(analysis));
  out += text("\n", tensor_table(analysis, rows));
  const size_t shown = choose_rows(analysis, rows).size();
  if (shown < analysis.tensors.size()) {
    out += text("(", shown, " of ", analysis.tensors.size(),
                " tensors; --limit and --tensors choose)\n");
  }
  return out + text("\n", load_table(analysis.load));
}

}  // namespace qload::analyze
