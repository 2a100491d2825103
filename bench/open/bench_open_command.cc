#include "bench/bench_commands.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <sstream>

#include "bench/load/command_output.h"
#include "bench/load/parallel.h"
#include "bench/open/open_benchmark.h"

namespace qload::bench {
namespace {

// Values as they stand on the command line.
struct Arguments {
  OpenOptions options;
  bool drop_caches = false;
  std::string json_path;
  std::string markdown_path;
};

// Their header stays below what safetensors allows (100 MB).
constexpr uint64_t kTensorsMax = 500'000;

constexpr const char* kExamples =
    "Examples:\n"
    "  qload_bench open model.qpk\n"
    "  qload_bench open --tensors 100000 --runs 7 --json open.json";

int run(const Arguments& arguments) {
  OpenOptions options = arguments.options;
  if (options.models.empty() && options.tensors == 0) {
    std::cerr << "qload_bench: a container, or --tensors, is required\n";
    return kExitUsage;
  }
  options.cold_method = arguments.drop_caches ? ColdMethod::kDropCaches : ColdMethod::kAdvise;
  if (options.loader.decode_threads == 0) options.loader.decode_threads = available_processors();
  InterruptGuard interrupts;
  const auto report = run_open_benchmark(options, interrupts);
  if (!report) return report_failure(report.error());
  print_open(*report, TableStyle::kText, std::cout);
  if (!arguments.json_path.empty() &&
      !write_text(arguments.json_path, open_to_json(*report) + "\n")) {
    return kExitFailed;
  }
  if (!arguments.markdown_path.empty()) {
    std::ostringstream markdown;
    print_open(*report, TableStyle::kMarkdown, markdown);
    if (!write_text(arguments.markdown_path, markdown.str())) return kExitFailed;
  }
  return 0;
}

}  // namespace

void add_open_command(CLI::App& app, int* exit_code) {
  auto arguments = std::make_shared<Arguments>();
  OpenOptions& options = arguments->options;
  CLI::App* command = app.add_subcommand(
      "open", "Time from opening a container to the first tensor; what an index costs");
  command->footer(kExamples);
  command->add_option("MODELS", options.models, "Containers");
  command
      ->add_option("--tensors", options.tensors,
                   "Also the index cost of a generated model of so many tiny tensors")
      ->check(CLI::Range(uint64_t{1}, kTensorsMax));
  command->add_option("--runs", options.runs, "Timed runs of each kind")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command
      ->add_option("--threads", options.loader.decode_threads,
                   "Decode threads; 0: one for each processor")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--drop-caches", arguments->drop_caches,
                    "Cold by /proc/sys/vm/drop_caches, too (root)");
  command->add_option("--dir", options.scratch, "Place for the generated model; the system's");
  command->add_option("--json", arguments->json_path, "Writes all figures to this file");
  command->add_option("--markdown", arguments->markdown_path, "Writes the tables to this file");
  command->callback([arguments, exit_code] { *exit_code = run(*arguments); });
}

}  // namespace qload::bench
