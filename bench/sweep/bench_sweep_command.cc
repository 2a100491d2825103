#include "bench/bench_commands.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <sstream>

#include "bench/load/command_output.h"
#include "bench/load/parallel.h"
#include "bench/sweep/sweep_benchmark.h"

namespace qload::bench {
namespace {

// Values as they stand on the command line.
struct Arguments {
  SweepOptions options;
  bool drop_caches = false;
  std::string json_path;
  std::string markdown_path;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  qload_bench sweep model.safetensors --packed model.qpk --staging 32M,16M,8M,4M\n"
    "  qload_bench sweep model.gguf --threads 1,2 --throttle 90M,300M,0 --roofline-seconds 10";

int run(const Arguments& arguments) {
  SweepOptions options = arguments.options;
  options.cold_method = arguments.drop_caches ? ColdMethod::kDropCaches : ColdMethod::kAdvise;
  if (options.threads.empty()) options.threads = {available_processors()};
  InterruptGuard interrupts;
  const auto report = run_sweep(options, interrupts);
  if (!report) return report_failure(report.error());
  print_sweep(*report, TableStyle::kText, std::cout);
  if (!arguments.json_path.empty() &&
      !write_text(arguments.json_path, sweep_to_json(*report) + "\n")) {
    return kExitFailed;
  }
  if (!arguments.markdown_path.empty()) {
    std::ostringstream markdown;
    print_sweep(*report, TableStyle::kMarkdown, markdown);
    if (!write_text(arguments.markdown_path, markdown.str())) return kExitFailed;
  }
  return 0;
}

void add_lists(CLI::App& command, SweepOptions& options) {
  options.staging_bytes = {32u << 20, 16u << 20, 8u << 20, 4u << 20};
  command.add_option("--staging", options.staging_bytes, "Sizes of staging memory; 32M,16M,8M,4M")
      ->delimiter(',')
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::PositiveNumber);
  command
      .add_option("--threads", options.threads, "Numbers of decode threads; one for each processor")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024));
  command
      .add_option("--throttle", options.throttle_rates,
                  "Limits of reading in bytes per second, as 90M,300M,0 (powers of 1000; 0: none; "
                  "root, cgroup)")
      ->delimiter(',')
      ->transform(CLI::AsSizeValue(true));
}

}  // namespace

void add_sweep_command(CLI::App& app, int* exit_code) {
  auto arguments = std::make_shared<Arguments>();
  SweepOptions& options = arguments->options;
  CLI::App* command = app.add_subcommand(
      "sweep", "Cold loads by staging memory, threads and storage rate, each beside its roofline");
  command->footer(kExamples);
  command
      ->add_option("MODEL", options.model,
                   "safetensors, GGUF or any other file, or a directory of shards")
      ->required();
  command->add_option("--packed", options.packed, "The model's container; packed when absent");
  add_lists(*command, options);
  command->add_option("--runs", options.runs, "Timed runs of each combination")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command
      ->add_option("--roofline-seconds", options.roofline_seconds,
                   "Seconds of reading for each measurement of storage; 0: the whole container")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--read-bytes", options.loader.read_bytes, "Largest read")
      ->transform(CLI::AsSizeValue(false));
  command->add_option("--queue-depth", options.loader.queue_depth, "Reads in flight");
  command->add_flag("--drop-caches", arguments->drop_caches,
                    "Cold by /proc/sys/vm/drop_caches, too (root)");
  command->add_option("--dir", options.scratch, "Place for scratch files; beside the model");
  command->add_option("--json", arguments->json_path, "Writes all figures to this file");
  command->add_option("--markdown", arguments->markdown_path, "Writes the tables to this file");
  command->callback([arguments, exit_code] { *exit_code = run(*arguments); });
}

}  // namespace qload::bench
