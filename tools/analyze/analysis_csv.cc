#include "tools/analyze/analysis_csv.h"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "format/base/assert.h"
#include "format/base/format_text.h"
#include "tools/report/size_text.h"

namespace qload::analyze {
namespace {

/// Cells of one line, in the order of titles().
class CsvLine {
 public:
  void add(std::string_view cell) {
    // Names are a file's: quoted where they could end a cell, and without control characters.
    std::string out;
    for (const char letter : tools::printable(cell)) {
      if (letter == '"') out += '"';
      out += letter;
    }
    const bool plain = out.find_first_of(",\"") == std::string::npos;
    cells_.push_back(plain ? out : "\"" + out + "\"");
  }
  void add(uint64_t number) { cells_.push_back(std::to_string(number)); }
  void add(std::optional<double> number) {
    if (!number || !std::isfinite(*number)) return add("");
    // The shortest text that reads back as the same number.
    std::array<char, 32> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), *number).ptr;
    cells_.emplace_back(text.data(), end);
  }
  void add_empty(size_t count) { cells_.resize(cells_.size() + count); }
  size_t size() const { return cells_.size(); }

  std::string take() {
    std::string line;
    for (size_t i = 0; i < cells_.size(); ++i) {
      if (i > 0) line += ',';
      line += cells_[i];
    }
    cells_.clear();
    return line + "\r\n";
  }

 private:
  std::vector<std::string> cells_;
};

constexpr auto kIdentityTitles =
    std::to_array<std::string_view>({"row", "name", "kind", "dtype", "shape", "stack", "layer"});
constexpr auto kFigureTitles = std::to_array<std::string_view>(
    {"tensors", "values", "bytes", "read_bytes", "bits_per_value", "bits_per_value_error",
     "whole_bits_per_value", "filter", "stream_bits_per_byte", "ratio_bound", "chunk_ratio_bound"});
constexpr auto kCodecTitles = std::to_array<std::string_view>(
    {"ratio", "stored_bytes_error", "encode_bytes_per_second", "decode_bytes_per_second"});
constexpr auto kPackedTitles = std::to_array<std::string_view>(
    {"packed_ratio", "packed_bytes", "packed_bytes_error", "recipe"});
constexpr auto kValueTitles = std::to_array<std::string_view>(
    {"finite_count", "nan_count", "infinity_count", "zero_count", "minimum", "maximum", "mean",
     "deviation", "kurtosis", "absmax_in_deviations", "bell_int8_bits", "same_as", "inferred"});

size_t column_count() {
  return kIdentityTitles.size() + kFigureTitles.size() + kComparedCodecCount * kCodecTitles.size() +
         kPackedTitles.size() + kValueTitles.size();
}

std::string titles() {
  CsvLine line;
  for (const std::string_view title : kIdentityTitles) line.add(title);
  for (const std::string_view title : kFigureTitles) line.add(title);
  for (size_t i = 0; i < kComparedCodecCount; ++i) {
    for (const std::string_view title : kCodecTitles) {
      line.add(text(compared_codec_name(static_cast<ComparedCodec>(i)), "_", title));
    }
  }
  for (const std::string_view title : kPackedTitles) line.add(title);
  for (const std::string_view title : kValueTitles) line.add(title);
  return line.take();
}

void add_figures(const Figures& figures, CsvLine& line) {
  line.add(figures.tensor_count);
  line.add(figures.value_count);
  line.add(figures.bytes);
  line.add(figures.read_bytes);
  line.add(figures.bits_per_value());
  line.add(figures.bits_per_value_error());
  line.add(figures.whole_bits_per_value());
  const FilterEntropy* filter = best_filter(figures);
  line.add(filter == nullptr ? "" : find_filter(filter->filter)->name);
  line.add(filter == nullptr ? "" : stream_entropies(*filter, 6));
  line.add(ratio_bound(figures));
  line.add(chunk_ratio_bound(figures));
  for (const CodecFigures& codec : figures.codecs) {
    line.add(ratio(figures.bytes, codec.stored_bytes));
    line.add(std::optional<double>(codec.stored_bytes_error));
    line.add(codec.encode_rate());
    line.add(codec.decode_rate());
  }
  line.add(ratio(figures.bytes, figures.packed.stored_bytes));
  line.add(std::optional<double>(figures.packed.stored_bytes));
  line.add(std::optional<double>(figures.packed.stored_bytes_error));
  line.add(figures.packed.forms.empty() ? "" : figures.packed.forms.front().form);
}

std::string group_line(std::string_view row, std::string_view kind, uint32_t stack, uint32_t layer,
                       const Figures& figures) {
  CsvLine line;
  line.add(row);
  line.add_empty(1);
  line.add(kind);
  line.add_empty(2);
  if (layer == kNoLayer) {
    line.add_empty(2);
  } else {
    line.add(uint64_t{stack});
    line.add(uint64_t{layer});
  }
  add_figures(figures, line);
  line.add_empty(kValueTitles.size());
  QLOAD_ASSERT(line.size() == column_count());
  return line.take();
}

std::string tensor_line(const ModelAnalysis& analysis, const TensorAnalysis& tensor) {
  CsvLine line;
  line.add("tensor");
  line.add(tensor.name);
  line.add(tensor_kind_name(tensor.kind));
  line.add(tensor.dtype_name);
  line.add(tools::format_shape(tensor.shape));
  if (tensor.layer == kNoLayer) {
    line.add_empty(2);
  } else {
    line.add(uint64_t{tensor.stack});
    line.add(uint64_t{tensor.layer});
  }
  add_figures(tensor.figures, line);
  const ValueStatistics& values = tensor.values;
  line.add(values.value_count);
  line.add(values.nan_count);
  line.add(values.infinity_count);
  line.add(values.zero_count);
  if (values.value_count == 0) {
    line.add_empty(7);
  } else {
    line.add(std::optional<double>(values.minimum));
    line.add(std::optional<double>(values.maximum));
    line.add(std::optional<double>(values.mean));
    line.add(std::optional<double>(values.deviation));
    line.add(std::optional<double>(values.kurtosis));
    line.add(values.absmax_in_deviations());
    line.add(values.bell_int8_bits());
  }
  line.add(tensor.same_as ? analysis.tensors[*tensor.same_as].name : "");
  line.add(tensor.inferred ? "yes" : "no");
  QLOAD_ASSERT(line.size() == column_count());
  return line.take();
}

}  // namespace

bool write_analysis_csv(const ModelAnalysis& analysis, const RowChoice& choice,
                        const ReportSink& sink) {
  if (!sink(titles())) return false;
  if (!sink(group_line("model", "", kNoLayer, kNoLayer, analysis.total))) return false;
  for (const KindAnalysis& kind : analysis.kinds) {
    if (!sink(group_line("kind", tensor_kind_name(kind.kind), kNoLayer, kNoLayer, kind.figures))) {
      return false;
    }
  }
  for (const LayerAnalysis& layer : analysis.layers) {
    if (!sink(group_line("layer", "", layer.stack, layer.layer, layer.figures))) return false;
  }
  for (const uint32_t row : choose_rows(analysis, choice)) {
    if (!sink(tensor_line(analysis, analysis.tensors[row]))) return false;
  }
  return true;
}

}  // namespace qload::analyze
