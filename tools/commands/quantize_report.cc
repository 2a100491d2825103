#include "tools/commands/quantize_report.h"

#include <charconv>

#include "format/base/format_text.h"
#include "tools/quantize/output_file.h"
#include "tools/report/json_report.h"
#include "tools/report/size_text.h"
#include "tools/report/text_table.h"

namespace qload::tools {
namespace {

using quantize::QuantizedTensor;
using quantize::QuantizeReport;
using quantize::TensorStatistics;

double bytes_per_second(const QuantizeReport& report) {
  return report.seconds > 0 ? static_cast<double>(report.source_bytes) / report.seconds : 0;
}

std::string_view type_name(DType dtype) { return find_dtype(dtype)->name; }

std::string optional_text(const std::optional<double>& value, int decimals) {
  return value ? format_fixed(*value, decimals) : "-";
}

/// "1.23e-04": errors span many orders of magnitude.
std::string scientific_text(double value) {
  char buffer[32];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific, 2);
  return {buffer, end.ptr};
}

std::string statistics_table(const QuantizeReport& report) {
  TextTable table({"tensor", "type", "shape", ">absmax/std", ">kurtosis", ">SQNR dB", ">max error",
                   ">bits before", ">bits after"});
  for (const QuantizedTensor& tensor : report.tensors) {
    const TensorStatistics& s = tensor.statistics;
    table.add_row({printable(tensor.name), std::string(type_name(tensor.source_dtype)),
                   format_shape(tensor.shape), optional_text(s.peak_to_deviation(), 2),
                   optional_text(s.kurtosis, 2), optional_text(s.sqnr_decibels, 2),
                   scientific_text(s.error_max), format_fixed(s.source_entropy_bits, 3),
                   format_fixed(s.code_entropy_bits, 3)});
  }
  return table.render();
}

std::string notes(const QuantizeReport& report) {
  std::string out;
  if (report.other_count > 0) {
    out += text("note: ", report.other_count,
                " tensors are of other types than F32, F16 and BF16 and were copied\n");
  }
  if (report.stored_factor_count > 0) {
    out += text("note: smoothing factors of ", report.stored_factor_count,
                " linears are stored as *_smooth: their inputs must be divided by them\n");
  }
  if (report.gguf_llama) {
    out += "note: names and keys are llama.cpp's; there is no tokenizer, so engines take tokens\n";
  }
  if (report.gguf_names_kept) {
    out += "note: names are the input's; a Llama with its config.json would get llama.cpp's\n";
  }
  return out;
}

void set_optional(JsonReport& json, std::string_view key, const std::optional<double>& value) {
  if (value) {
    json.set(key, *value);
  } else {
    json.set_null(key);
  }
}

JsonReport tensor_json(const QuantizedTensor& tensor, bool measured) {
  JsonReport json;
  json.set("name", tensor.name);
  json.set("source_dtype", type_name(tensor.source_dtype));
  json.set_list("shape", tensor.shape);
  json.set("outlier_count", tensor.outlier_count);
  if (!measured) return json;
  const TensorStatistics& s = tensor.statistics;
  json.set("absolute_max", s.absolute_max);
  json.set("deviation", s.deviation);
  set_optional(json, "absmax_by_deviation", s.peak_to_deviation());
  set_optional(json, "kurtosis", s.kurtosis);
  set_optional(json, "sqnr_decibels", s.sqnr_decibels);
  json.set("error_max", s.error_max);
  json.set("source_entropy_bits", s.source_entropy_bits);
  json.set("code_entropy_bits", s.code_entropy_bits);
  return json;
}

}  // namespace

std::string render_quantize_text(const QuantizeSubject& subject, const QuantizeReport& report) {
  std::string out =
      text(printable(subject.output), ": ", quantize::describe_quantization(subject.options), ", ",
           report.quantized_count, " of ", report.tensor_count, " tensors quantized, ",
           format_size(report.source_bytes), " to ", format_size(report.output_bytes), ", ",
           format_seconds(report.seconds), ", ", format_rate(bytes_per_second(report)), ", ",
           report.threads, " threads\n");
  if (report.outlier_count > 0) {
    out += text(report.outlier_count, " input channels with outliers stay F16\n");
  }
  out += notes(report);
  if (subject.options.measure) out += statistics_table(report);
  return out;
}

std::string render_quantize_json(const QuantizeSubject& subject, const QuantizeReport& report) {
  JsonReport json;
  json.set("input", subject.input);
  json.set("output", subject.output);
  json.set("scheme", quantize::scheme_name(subject.options.scheme));
  json.set("quantization", quantize::describe_quantization(subject.options));
  json.set("source_bytes", report.source_bytes);
  json.set("output_bytes", report.output_bytes);
  json.set("tensor_count", report.tensor_count);
  json.set("quantized_count", report.quantized_count);
  json.set("quantized_source_bytes", report.quantized_source_bytes);
  json.set("kept_count", report.kept_count);
  json.set("other_count", report.other_count);
  json.set("folded_count", report.folded_count);
  json.set("stored_factor_count", report.stored_factor_count);
  json.set("outlier_count", report.outlier_count);
  json.set("gguf_llama", report.gguf_llama);
  json.set("threads", report.threads);
  json.set("seconds", report.seconds);
  json.set("bytes_per_second", bytes_per_second(report));
  std::vector<JsonReport> tensors;
  for (const QuantizedTensor& tensor : report.tensors) {
    tensors.push_back(tensor_json(tensor, subject.options.measure));
  }
  json.set_list("tensors", std::move(tensors));
  return json.render();
}

}  // namespace qload::tools
