#include "tools/qrun/run_report.h"

#include <sys/resource.h>

#include <cstdlib>
#include <fstream>
#include <numeric>
#include <vector>

#include "format/base/format_text.h"
#include "tools/report/size_text.h"

namespace qload::qrun {
namespace {

using tools::format_fixed;
using tools::format_seconds;
using tools::format_size;

double sum_of(const std::vector<double>& seconds) {
  return std::accumulate(seconds.begin(), seconds.end(), 0.0);
}

/// From the first byte of weights to the first token.
double first_token_seconds(const RunReport& report) {
  return report.source.load_seconds + report.generation.first_token_seconds;
}

}  // namespace

double tokens_per_second(const Generation& generation) {
  const double seconds = sum_of(generation.token_seconds);
  return seconds > 0 ? static_cast<double>(generation.token_seconds.size()) / seconds : 0;
}

void measure_process(RunReport& report) {
  constexpr std::string_view kPeak = "VmHWM:";  // "VmHWM:   1234 kB", proc(5).
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with(kPeak)) continue;
    report.memory_peak_bytes = std::strtoull(line.c_str() + kPeak.size(), nullptr, 10) * 1024;
  }
  struct rusage usage = {};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    report.major_fault_count = static_cast<uint64_t>(usage.ru_majflt);
  }
}

std::string report_text(const RunReport& report) {
  const Generation& generation = report.generation;
  std::string out =
      text(report.prompt_token_count, " prompt tokens, ", generation.tokens.size(),
           " generated: ", format_fixed(tokens_per_second(generation), 2),
           " tokens/s, first token after ", format_seconds(first_token_seconds(report)), "\n");
  out +=
      text("weights ", report.weights, ": loaded in ", format_seconds(report.source.load_seconds),
           ", waited for ", format_seconds(report.source.wait_seconds), " in ", report.pass_count,
           " passes, ", format_size(report.source.bytes_read), " read\n");
  out += text("memory peak ", format_size(report.memory_peak_bytes), ", ", report.threads,
              " threads, ", report.kernels, "\n");
  return out;
}

tools::JsonReport report_json(const RunReport& report) {
  const Generation& generation = report.generation;
  const std::vector<uint64_t> tokens(generation.tokens.begin(), generation.tokens.end());
  tools::JsonReport json;
  json.set("model", report.model);
  json.set("weights", report.weights);
  json.set("kernels", report.kernels);
  json.set("threads", report.threads);
  json.set("prompt_token_count", report.prompt_token_count);
  json.set_list("tokens", tokens);
  json.set("text", report.text);
  json.set("tokens_per_second", tokens_per_second(generation));
  json.set("time_to_first_token_seconds", first_token_seconds(report));
  json.set("prompt_seconds", generation.first_token_seconds);
  json.set("token_seconds", sum_of(generation.token_seconds));
  json.set("pass_count", report.pass_count);
  json.set("load_seconds", report.source.load_seconds);
  json.set("wait_seconds", report.source.wait_seconds);
  json.set("bytes_read", report.source.bytes_read);
  json.set("direct", report.source.direct);
  json.set("resident_bytes", report.source.resident_bytes);
  json.set("memory_peak_bytes", report.memory_peak_bytes);
  json.set("major_fault_count", report.major_fault_count);
  return json;
}

}  // namespace qload::qrun
