#include "tools/analyze/analysis_json.h"

#include <string>
#include <utility>
#include <vector>

#include "format/base/format_text.h"
#include "format/filter/filter.h"
#include "tools/report/json_report.h"

namespace qload::analyze {
namespace {

using tools::JsonReport;

std::string_view filter_name(FilterId id) {
  const Filter* filter = find_filter(id);
  return filter == nullptr ? "unknown" : filter->name;
}

JsonReport filter_json(const FilterEntropy& filter) {
  JsonReport json;
  json.set("filter", filter_name(filter.filter));
  json.set("bytes", filter.bytes());
  json.set("entropy_bits", filter.bits());
  json.set("chunk_entropy_bits", filter.chunk_bits);
  json.set("ratio_bound", ratio(filter.bytes(), filter.bits() / 8));
  std::vector<JsonReport> streams;
  for (uint32_t i = 0; i < filter.stream_count; ++i) {
    JsonReport stream;
    stream.set("bytes", filter.streams[i].bytes);
    stream.set("entropy_bits_per_byte", filter.streams[i].bits_per_byte());
    streams.push_back(std::move(stream));
  }
  json.set_list("streams", std::move(streams));
  return json;
}

/// A ratio's error that follows from that of stored bytes: both are small.
std::optional<double> ratio_error(uint64_t bytes, double stored, double stored_error) {
  const auto value = ratio(bytes, stored);
  if (!value) return value;
  return *value * stored_error / stored;
}

JsonReport codec_json(const CodecFigures& codec, uint64_t bytes) {
  JsonReport json;
  json.set("ratio", ratio(bytes, codec.stored_bytes));
  json.set("ratio_error", ratio_error(bytes, codec.stored_bytes, codec.stored_bytes_error));
  json.set("stored_bytes", codec.stored_bytes);
  json.set("stored_bytes_error", codec.stored_bytes_error);
  json.set("measured_bytes", codec.measured_bytes);
  json.set("encode_bytes_per_second", codec.encode_rate());
  json.set("decode_bytes_per_second", codec.decode_rate());
  return json;
}

JsonReport packed_json(const PackedFigures& packed, uint64_t bytes) {
  JsonReport json;
  json.set("ratio", ratio(bytes, packed.stored_bytes));
  json.set("ratio_error", ratio_error(bytes, packed.stored_bytes, packed.stored_bytes_error));
  json.set("stored_bytes", packed.stored_bytes);
  json.set("stored_bytes_error", packed.stored_bytes_error);
  json.set("target_decode_seconds", packed.decode_seconds);
  JsonReport forms;
  for (const FormShare& form : packed.forms) forms.set(form.form, form.bytes);
  json.set("forms", std::move(forms));
  return json;
}

void set_figures(JsonReport& json, const Figures& figures) {
  json.set("tensor_count", figures.tensor_count);
  json.set("value_count", figures.value_count);
  json.set("bytes", figures.bytes);
  json.set("read_bytes", figures.read_bytes);
  json.set("entropy_bits_per_value", figures.bits_per_value());
  json.set("entropy_bits_per_value_error", figures.bits_per_value_error());
  json.set("whole_entropy_bits_per_value", figures.whole_bits_per_value());
  json.set("whole_value_count", figures.whole_value_count);
  json.set("ratio_bound", ratio_bound(figures));
  json.set("chunk_ratio_bound", chunk_ratio_bound(figures));
  std::vector<JsonReport> filters;
  for (const FilterEntropy& filter : figures.filters) filters.push_back(filter_json(filter));
  json.set_list("filters", std::move(filters));
  JsonReport codecs;
  for (size_t i = 0; i < kComparedCodecCount; ++i) {
    codecs.set(compared_codec_name(static_cast<ComparedCodec>(i)),
               codec_json(figures.codecs[i], figures.bytes));
  }
  json.set("codecs", std::move(codecs));
  json.set("packed", packed_json(figures.packed, figures.bytes));
}

void set_layer(JsonReport& json, uint32_t stack, uint32_t layer) {
  if (layer == kNoLayer) {
    json.set_null("stack");
    json.set_null("layer");
  } else {
    json.set("stack", stack);
    json.set("layer", layer);
  }
}

void set_histogram(JsonReport& json, const ValueHistogram& histogram) {
  if (histogram.bins == ValueHistogram::Bins::kNone || histogram.counts.empty()) {
    json.set_null("histogram");
    return;
  }
  JsonReport out;
  out.set("bins", histogram.bins == ValueHistogram::Bins::kCodes ? "codes" : "linear");
  out.set("lower", histogram.lower);
  out.set("upper", histogram.upper);
  out.set_list("counts", std::span<const uint64_t>(histogram.counts));
  json.set("histogram", std::move(out));
}

JsonReport values_json(const ValueStatistics& values) {
  JsonReport json;
  json.set("count", values.value_count);
  json.set("nan_count", values.nan_count);
  json.set("infinity_count", values.infinity_count);
  json.set("zero_count", values.zero_count);
  json.set("minimum", values.minimum);
  json.set("maximum", values.maximum);
  json.set("absmax", values.absmax());
  json.set("mean", values.mean);
  json.set("deviation", values.deviation);
  json.set("kurtosis", values.kurtosis);
  json.set("absmax_in_deviations", values.absmax_in_deviations());
  json.set("bell_int8_bits", values.bell_int8_bits());
  return json;
}

std::string tensor_line(const ModelAnalysis& analysis, const TensorAnalysis& tensor) {
  JsonReport json;
  json.set("name", tensor.name);
  json.set("kind", tensor_kind_name(tensor.kind));
  json.set("dtype", tensor.dtype_name);
  json.set_list("shape", std::span<const uint64_t>(tensor.shape));
  set_layer(json, tensor.stack, tensor.layer);
  if (tensor.same_as) {
    json.set("same_as", analysis.tensors[*tensor.same_as].name);
  } else {
    json.set_null("same_as");
  }
  json.set("inferred", tensor.inferred);
  set_figures(json, tensor.figures);
  if (tensor.values.value_count + tensor.values.nan_count + tensor.values.infinity_count > 0) {
    json.set("values", values_json(tensor.values));
  } else {
    json.set_null("values");
  }
  set_histogram(json, tensor.histogram);
  return json.render_line();
}

JsonReport point_json(const LoadPoint& point) {
  JsonReport json;
  json.set("storage_bytes_per_second", point.storage_bytes_per_second);
  json.set("plain_seconds", point.plain_seconds);
  json.set("packed_seconds", point.packed_seconds);
  return json;
}

JsonReport load_json(const LoadPrediction& load) {
  JsonReport json;
  json.set("target", load.target);
  json.set("plain_bytes", load.plain_bytes);
  json.set("container_bytes", load.container_bytes);
  json.set("at_target", point_json(load.at_target));
  json.set("payoff", load.payoff == Payoff::kAlways  ? "always"
                     : load.payoff == Payoff::kNever ? "never"
                                                     : "up_to");
  json.set("break_even_bytes_per_second", load.payoff == Payoff::kUpTo
                                              ? std::optional<double>(load.break_even_rate)
                                              : std::nullopt);
  std::vector<JsonReport> curve;
  for (const LoadPoint& point : load.curve) curve.push_back(point_json(point));
  json.set_list("curve", std::move(curve));
  return json;
}

JsonReport model_json(const ModelAnalysis& analysis) {
  JsonReport json;
  json.set("input", analysis.input);
  json.set("format", analysis.format);
  json.set("input_bytes", analysis.input_bytes);
  json.set("packed_ratio", analysis.packed_ratio());
  json.set("tensor_count", analysis.tensor_count);
  json.set("duplicate_count", analysis.duplicate_count);
  json.set("chunk_count", analysis.chunk_count);
  json.set("read_chunk_count", analysis.read_chunk_count);
  json.set("measured_chunk_count", analysis.measured_chunk_count);
  json.set("sample_share", analysis.sample_share);
  json.set("threads", analysis.threads);
  json.set("seconds", analysis.seconds);
  json.set("load", load_json(analysis.load));
  JsonReport total;
  set_figures(total, analysis.total);
  json.set("total", std::move(total));
  return json;
}

/// Writes `,\n  "key": [` and a line for each of `count` entries.
bool write_lines(std::string_view key, size_t count, const std::function<std::string(size_t)>& line,
                 const ReportSink& sink) {
  if (!sink(text(",\n  \"", key, "\": ["))) return false;
  for (size_t i = 0; i < count; ++i) {
    if (!sink(text(i == 0 ? "\n    " : ",\n    ", line(i)))) return false;
  }
  return sink(count == 0 ? "]" : "\n  ]");
}

}  // namespace

bool write_analysis_json(const ModelAnalysis& analysis, const RowChoice& choice,
                         const ReportSink& sink) {
  std::string head = model_json(analysis).render();
  head.resize(head.rfind('\n', head.size() - 2));  // Without "\n}\n".
  if (!sink(head)) return false;
  const auto kind_line = [&](size_t i) {
    const KindAnalysis& kind = analysis.kinds[i];
    JsonReport json;
    json.set("kind", tensor_kind_name(kind.kind));
    set_figures(json, kind.figures);
    set_histogram(json, kind.histogram);
    return json.render_line();
  };
  const auto layer_line = [&](size_t i) {
    const LayerAnalysis& layer = analysis.layers[i];
    JsonReport json;
    set_layer(json, layer.stack, layer.layer);
    set_figures(json, layer.figures);
    return json.render_line();
  };
  const std::vector<uint32_t> rows = choose_rows(analysis, choice);
  const auto row_line = [&](size_t i) { return tensor_line(analysis, analysis.tensors[rows[i]]); };
  return write_lines("kinds", analysis.kinds.size(), kind_line, sink) &&
         write_lines("layers", analysis.layers.size(), layer_line, sink) &&
         write_lines("tensors", rows.size(), row_line, sink) && sink("\n}\n");
}

}  // namespace qload::analyze
