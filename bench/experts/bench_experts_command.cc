#include "bench/bench_commands.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <sstream>

#include "bench/experts/experts_benchmark.h"
#include "bench/load/command_output.h"
#include "bench/load/parallel.h"

namespace qload::bench {
namespace {

// Values as they stand on the command line.
struct Arguments {
  ExpertsOptions options;
  uint64_t expert_bytes = 2u << 20;
  bool no_memory_limit = false;
  bool drop_caches = false;
  std::string json_path;
  std::string markdown_path;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  qload_bench experts --budget 0.25 --throttle 300M\n"
    "  qload_bench experts --experts 16 --layers 4 --expert-bytes 1M --staging 4M --json e.json";

// A tensor has whole pages, so that all experts take the same room.
constexpr uint64_t kTensorGranule = 4096;

int run(const Arguments& arguments) {
  ExpertsOptions options = arguments.options;
  options.shape.tensor_bytes =
      (arguments.expert_bytes / 3 + kTensorGranule - 1) / kTensorGranule * kTensorGranule;
  if (options.active > options.shape.experts) {
    std::cerr << "qload_bench: --active " << options.active << " of " << options.shape.experts
              << " experts\n";
    return kExitUsage;
  }
  options.memory_limit = !arguments.no_memory_limit;
  options.cold_method = arguments.drop_caches ? ColdMethod::kDropCaches : ColdMethod::kAdvise;
  if (options.loader.decode_threads == 0) options.loader.decode_threads = available_processors();
  InterruptGuard interrupts;
  const auto report = run_experts_benchmark(options, interrupts);
  if (!report) return report_failure(report.error());
  print_experts(*report, TableStyle::kText, std::cout);
  if (!arguments.json_path.empty() &&
      !write_text(arguments.json_path, experts_to_json(*report) + "\n")) {
    return kExitFailed;
  }
  if (!arguments.markdown_path.empty()) {
    std::ostringstream markdown;
    print_experts(*report, TableStyle::kMarkdown, markdown);
    if (!write_text(arguments.markdown_path, markdown.str())) return kExitFailed;
  }
  return 0;
}

void add_model_options(CLI::App& command, Arguments& arguments) {
  ExpertsOptions& options = arguments.options;
  command.add_option("--layers", options.shape.layers, "Layers")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command.add_option("--experts", options.shape.experts, "Experts of each layer")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      .add_option("--expert-bytes", arguments.expert_bytes,
                  "Decoded bytes of an expert, rounded up to three tensors of whole pages; 2M")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 30));
  command.add_option("--tokens", options.tokens, "Tokens of a run")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command.add_option("--active", options.active, "Experts of each layer that a token uses")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      .add_option("--zipf", options.exponent,
                  "Exponent of Zipf's law, by which experts are chosen; 0: all alike")
      ->check(CLI::Range(0.0, 10.0))
      ->capture_default_str();
}

}  // namespace

void add_experts_command(CLI::App& app, int* exit_code) {
  auto arguments = std::make_shared<Arguments>();
  ExpertsOptions& options = arguments->options;
  CLI::App* command = app.add_subcommand(
      "experts", "A mixture of experts in less memory than it has weights: the cache against mmap");
  command->footer(kExamples);
  add_model_options(*command, *arguments);
  command
      ->add_option("--budget", options.budget,
                   "Memory of the cache, staging included, as a part of the decoded model")
      ->check(CLI::Range(0.001, 10.0))
      ->capture_default_str();
  command->add_option("--staging", options.loader.staging_bytes, "Staging memory; 32M")
      ->transform(CLI::AsSizeValue(false));
  command->add_option("--runs", options.runs, "Timed runs of each contender")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command
      ->add_option("--threads", options.loader.decode_threads,
                   "Decode threads; 0: one for each processor")
      ->check(CLI::Range(0, 1024));
  command
      ->add_option(
          "--throttle", options.throttle_rate,
          "Limits reads to so many bytes per second, as 300M (powers of 1000; root, cgroup)")
      ->transform(CLI::AsSizeValue(true))
      ->check(CLI::PositiveNumber);
  command->add_flag("--no-memory-limit", arguments->no_memory_limit,
                    "Without a control group: mmap has all memory for its pages");
  command->add_flag("--drop-caches", arguments->drop_caches,
                    "Cold by /proc/sys/vm/drop_caches, too (root)");
  command->add_option("--dir", options.scratch, "Place for the model; the system's");
  command->add_option("--json", arguments->json_path, "Writes all figures to this file");
  command->add_option("--markdown", arguments->markdown_path, "Writes the table to this file");
  command->callback([arguments, exit_code] { *exit_code = run(*arguments); });
}

}  // namespace qload::bench
