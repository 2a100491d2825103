#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <sstream>

#include "bench/bench_commands.h"
#include "bench/load/command_output.h"
#include "bench/stream/stream_benchmark.h"

namespace qload::bench {
namespace {

// Values as they stand on the command line.
struct Arguments {
  StreamBenchmarkOptions options;
  std::vector<std::string> memory = {"25%", "50%"};
  std::string json_path;
  std::string markdown_path;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  qload_bench stream model.safetensors --packed model.qpk --memory 25%,50% --throttle 300M,0\n"
    "  qload_bench stream model.gguf --memory 600M --compute-seconds 0.5 --contenders qload,read\n"
    "  qload_bench stream model.safetensors --no-limit    (without root)";

int run(const Arguments& arguments) {
  StreamBenchmarkOptions options = arguments.options;
  for (const std::string& asked : arguments.memory) {
    const auto limit = parse_limit(asked);
    if (!limit.ok()) return report_failure(limit.error());
    options.memory.push_back(*limit);
  }
  InterruptGuard interrupts;
  const auto report = run_stream_benchmark(options, interrupts);
  if (!report.ok()) return report_failure(report.error());
  print_stream_report(*report, TableStyle::kText, std::cout);
  if (!arguments.json_path.empty() &&
      !write_text(arguments.json_path, stream_report_to_json(*report) + "\n")) {
    return kExitFailed;
  }
  if (!arguments.markdown_path.empty()) {
    std::ostringstream markdown;
    print_stream_report(*report, TableStyle::kMarkdown, markdown);
    if (!write_text(arguments.markdown_path, markdown.str())) return kExitFailed;
  }
  return 0;
}

void add_memory_options(CLI::App& command, Arguments& arguments) {
  StreamBenchmarkOptions& options = arguments.options;
  command
      .add_option("--memory", arguments.memory,
                  "Limits of memory, page cache included: shares of the decoded model, or bytes "
                  "(root, cgroup); 25%,50%")
      ->delimiter(',');
  command.add_flag("--no-limit", options.no_limit,
                   "Budgets as for these limits, but nobody enforces them");
  command
      .add_option("--budget", options.budget_bytes,
                  "qload's budget; the limit less --overhead when absent")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::PositiveNumber);
  command
      .add_option("--overhead", options.overhead_bytes,
                  "What a process holds beside the budget; 16M")
      ->transform(CLI::AsSizeValue(false));
  command.add_option("--staging", options.loader.staging_bytes, "qload's staging memory; 32M")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::PositiveNumber);
  command.add_flag("--keep-packed", options.keep_packed,
                   "qload may keep stored bytes in memory, too");
}

void add_work_options(CLI::App& command, StreamBenchmarkOptions& options) {
  command
      .add_option(
          "--throttle", options.throttle_rates,
          "Limits of reading in bytes per second, as 300M,0 (powers of 1000; 0: none; root, "
          "cgroup)")
      ->delimiter(',')
      ->transform(CLI::AsSizeValue(true));
  command
      .add_option("--compute-seconds", options.work.compute_seconds,
                  "Processor time of a pass besides checksums, spread over its bytes")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      .add_option("--passes", options.work.passes, "Timed passes of a run, after one that is not")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command.add_option("--runs", options.runs, "Runs of each contender, in turns")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command
      .add_option("--threads", options.loader.decode_threads,
                  "qload's decode threads; one for each processor")
      ->check(CLI::Range(1, 1024));
  command.add_option("--contenders", options.contenders, "Of qload,read,mmap,mmap-willneed; all")
      ->delimiter(',');
  command.add_option("--target", options.target,
                     "Device profile for the planner's rates; measured when absent");
  command
      .add_option("--roofline-seconds", options.roofline_seconds,
                  "Seconds of reading for each measurement of storage; 0: the whole container")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

}  // namespace

void add_stream_command(CLI::App& app, int* exit_code) {
  auto arguments = std::make_shared<Arguments>();
  StreamBenchmarkOptions& options = arguments->options;
  CLI::App* command = app.add_subcommand(
      "stream", "Passes over a model larger than memory: qload's stream, mmap, read");
  command->footer(kExamples);
  command
      ->add_option("MODEL", options.model,
                   "safetensors, GGUF or any other file, or a directory of shards")
      ->required();
  command->add_option("--packed", options.packed, "The model's container; packed when absent");
  add_memory_options(*command, *arguments);
  add_work_options(*command, options);
  command->add_option("--dir", options.scratch, "Place for scratch files; beside the model");
  command->add_option("--json", arguments->json_path, "Writes all figures to this file");
  command->add_option("--markdown", arguments->markdown_path, "Writes the tables to this file");
  command->callback([arguments, exit_code] { *exit_code = run(*arguments); });
}

}  // namespace qload::bench
