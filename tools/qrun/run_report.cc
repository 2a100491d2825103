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

/// How streamed weights divide the budget, and the last whole pass.
std::string stream_text(const RunReport& report) {
  const StreamFacts& facts = report.source.stream;
  const PassStatistics& pass = report.source.last_pass;
  return text("budget ", format_size(facts.budget_bytes + report.engine_bytes), ": engine ",
              format_size(report.engine_bytes), ", staging ", format_size(facts.staging_bytes),
              ", resident ", format_size(facts.resident_bytes), ", packed ",
              format_size(facts.packed_bytes), ", portions ", format_size(facts.portion_bytes),
              "\nlast pass ", format_seconds(pass.seconds), ": waited for ",
              format_seconds(pass.wait_seconds), ", ", format_size(pass.bytes_read), " read, ",
              format_fixed(100 * pass.overlap, 0), " % of loading beside computing\n");
}

void add_stream(const RunReport& report, tools::JsonReport& json) {
  const StreamFacts& facts = report.source.stream;
  const PassStatistics& pass = report.source.last_pass;
  json.set("engine_bytes", report.engine_bytes);
  json.set("weight_budget_bytes", facts.budget_bytes);
  json.set("staging_bytes", facts.staging_bytes);
  json.set("packed_bytes", facts.packed_bytes);
  json.set("portion_bytes", facts.portion_bytes);
  json.set("portions_per_pass", facts.parts_per_pass);
  json.set("storage_bytes_per_pass", facts.storage_bytes_per_pass);
  json.set("predicted_pass_seconds", facts.seconds_per_pass);
  json.set("last_pass_seconds", pass.seconds);
  json.set("last_pass_wait_seconds", pass.wait_seconds);
  json.set("last_pass_bytes_read", pass.bytes_read);
  json.set("last_pass_overlap", pass.overlap);
}

std::string generation_text(const RunReport& report) {
  return text(report.prompt_token_count, " prompt tokens, ", report.generation.tokens.size(),
              " generated: ", format_fixed(tokens_per_second(report.generation), 2),
              " tokens/s, first token after ", format_seconds(first_token_seconds(report)), "\n");
}

/// Tokens run in a second.
double score_rate(const Score& score) {
  return score.seconds > 0 ? static_cast<double>(score.token_count) / score.seconds : 0;
}

void add_generation(const RunReport& report, tools::JsonReport& json) {
  const Generation& generation = report.generation;
  const std::vector<uint64_t> tokens(generation.tokens.begin(), generation.tokens.end());
  json.set("prompt_token_count", report.prompt_token_count);
  json.set_list("tokens", tokens);
  json.set("text", report.text);
  json.set("tokens_per_second", tokens_per_second(generation));
  json.set("time_to_first_token_seconds", first_token_seconds(report));
  json.set("prompt_seconds", generation.first_token_seconds);
  json.set("token_seconds", sum_of(generation.token_seconds));
}

void add_score(const RunReport& report, tools::JsonReport& json) {
  const Score& score = *report.score;
  json.set("sequence_count", report.sequence_count);
  json.set("scored_token_count", score.token_count);
  json.set("nats_per_token", score.nats_per_token());
  json.set("perplexity", score.perplexity());
  json.set("likeliest_share", score.likeliest_share());
  json.set("tokens_per_second", score_rate(score));
  json.set("score_seconds", score.seconds);
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

std::string score_text(const Score& score) {
  return text(format_fixed(score.nats_per_token(), 6), " nats per token, perplexity ",
              format_fixed(score.perplexity(), 4), ", ", score.token_count,
              " tokens predicted, the likeliest in ",
              format_fixed(100 * score.likeliest_share(), 1), " %\n");
}

std::string report_text(const RunReport& report) {
  std::string out = report.score ? text(report.sequence_count, " sequences scored: ",
                                        format_fixed(score_rate(*report.score), 2), " tokens/s\n")
                                 : generation_text(report);
  out +=
      text("weights ", report.weights, ": loaded in ", format_seconds(report.source.load_seconds),
           ", waited for ", format_seconds(report.source.wait_seconds), " in ", report.pass_count,
           " passes, ", format_size(report.source.bytes_read), " read\n");
  if (report.source.stream.budget_bytes > 0) out += stream_text(report);
  if (!report.collect_path.empty()) {
    out += text("activations of ", report.recorded_token_count, " tokens in ",
                quote(report.collect_path), "\n");
  }
  out += text("memory peak ", format_size(report.memory_peak_bytes), ", ", report.threads,
              " threads, ", report.kernels, "\n");
  return out;
}

tools::JsonReport report_json(const RunReport& report) {
  tools::JsonReport json;
  json.set("model", report.model);
  json.set("weights", report.weights);
  json.set("activations", report.activations);
  json.set("kernels", report.kernels);
  json.set("threads", report.threads);
  if (report.score) {
    add_score(report, json);
  } else {
    add_generation(report, json);
  }
  if (!report.collect_path.empty()) {
    json.set("collected", report.collect_path);
    json.set("recorded_token_count", report.recorded_token_count);
  }
  json.set("pass_count", report.pass_count);
  json.set("load_seconds", report.source.load_seconds);
  json.set("wait_seconds", report.source.wait_seconds);
  json.set("bytes_read", report.source.bytes_read);
  json.set("direct", report.source.direct);
  json.set("resident_bytes", report.source.resident_bytes);
  json.set("memory_peak_bytes", report.memory_peak_bytes);
  json.set("major_fault_count", report.major_fault_count);
  if (report.source.stream.budget_bytes > 0) add_stream(report, json);
  return json;
}

}  // namespace qload::qrun
