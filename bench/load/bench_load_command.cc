#include "bench/bench_commands.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <sstream>

#include "bench/load/command_output.h"
#include "bench/load/fresh_memory.h"
#include "bench/load/load_benchmark.h"
#include "bench/load/parallel.h"

namespace qload::bench {
namespace {

// Values as they stand on the command line.
struct Arguments {
  LoadBenchmarkOptions options;
  bool cold = false;
  bool warm = false;
  bool both = false;
  bool no_roofline = false;
  bool drop_caches = false;
  bool list = false;
  std::string huge_pages = "auto";
  bool stages = false;
  std::string json_path;
  std::string markdown_path;
};

void list_contenders() {
  for (const ContenderKind& kind : all_contenders()) {
    std::cout << (kind.standard ? "* " : "  ") << kind.name << ": " << kind.description << '\n';
  }
  std::cout << "* runs unless --contenders says otherwise\n";
}

int run(const Arguments& arguments) {
  if (arguments.list) {
    list_contenders();
    return 0;
  }
  if (arguments.options.model.empty()) {
    std::cerr << "qload_bench: MODEL is required\n";
    return kExitUsage;
  }
  LoadBenchmarkOptions options = arguments.options;
  // A warm load hardly reads from storage: a throttled run is cold unless asked otherwise.
  const bool by_default = !arguments.cold && !arguments.warm && !arguments.both;
  options.cold = arguments.cold || arguments.both || by_default;
  options.warm = arguments.warm || arguments.both || (by_default && options.throttle_rate == 0);
  options.roofline = !arguments.no_roofline;
  options.cold_method = arguments.drop_caches ? ColdMethod::kDropCaches : ColdMethod::kAdvise;
  options.contender.huge_pages =
      arguments.huge_pages == "on" || (arguments.huge_pages == "auto" && huge_pages_available());
  if (options.contender.threads == 0) options.contender.threads = available_processors();
  options.contender.loader.decode_threads = options.contender.threads;

  InterruptGuard interrupts;
  const auto report = run_load_benchmark(options, interrupts);
  if (!report) return report_failure(report.error());
  print_report(*report, TableStyle::kText,
               arguments.stages ? ReportDetail::kStages : ReportDetail::kTimes, std::cout);
  if (!arguments.json_path.empty() &&
      !write_text(arguments.json_path, report_to_json(*report) + "\n")) {
    return kExitFailed;
  }
  if (!arguments.markdown_path.empty()) {
    std::ostringstream markdown;
    print_report(*report, TableStyle::kMarkdown, ReportDetail::kStages, markdown);
    if (!write_text(arguments.markdown_path, markdown.str())) return kExitFailed;
  }
  return 0;
}

void add_loader_options(CLI::App& command, LoaderOptions& loader) {
  command.add_option("--staging", loader.staging_bytes, "qload: staging memory")
      ->transform(CLI::AsSizeValue(false));
  command.add_option("--read-bytes", loader.read_bytes, "qload: largest read")
      ->transform(CLI::AsSizeValue(false));
  command.add_option("--queue-depth", loader.queue_depth, "qload: reads in flight");
}

}  // namespace

void add_load_command(CLI::App& app, int* exit_code) {
  auto arguments = std::make_shared<Arguments>();
  arguments->options.contender.threads = 0;
  CLI::App* command = app.add_subcommand(
      "load", "Compares ways to load a model: read, mmap, O_DIRECT, the paper's, and qload");
  LoadBenchmarkOptions& options = arguments->options;
  command->add_option("MODEL", options.model,
                      "safetensors, GGUF or any other file, or a directory of shards");
  command->add_option("--packed", options.packed, "The model's container; packed when absent");
  command->add_option("--runs", options.runs, "Timed runs of each contender")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_flag("--cold", arguments->cold, "Only with a cold page cache");
  command->add_flag("--warm", arguments->warm, "Only with a warm page cache");
  command->add_flag("--both", arguments->both, "Cold, then warm (the default without --throttle)");
  command->add_option("--threads", options.contender.threads, "0: one for each processor")
      ->check(CLI::Range(0, 1024));
  command->add_option("--contenders", options.contenders, "Names, separated by commas")
      ->delimiter(',');
  command->add_flag("--list", arguments->list, "Lists the contenders");
  command
      ->add_option(
          "--throttle", options.throttle_rate,
          "Limits reads to so many bytes per second, as 300M (powers of 1000; root, cgroup)")
      ->transform(CLI::AsSizeValue(true))
      ->check(CLI::PositiveNumber);
  command->add_option("--dir", options.scratch, "Place for scratch files; beside the model");
  command
      ->add_option("--huge-pages", arguments->huge_pages,
                   "For the destinations of all contenders but qload, which decides itself")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->capture_default_str();
  command->add_flag("--drop-caches", arguments->drop_caches,
                    "Cold by /proc/sys/vm/drop_caches, too (root)");
  command->add_flag("--no-roofline", arguments->no_roofline, "Leaves the roofline out");
  command
      ->add_option("--roofline-seconds", options.roofline_seconds,
                   "Seconds of reading for each measurement of storage; 0: the whole container")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_flag("--stages", arguments->stages,
                    "Prints where the time goes: costs of each contender, stages of qload");
  command->add_option("--json", arguments->json_path, "Writes all figures to this file");
  command->add_option("--markdown", arguments->markdown_path, "Writes the tables to this file");
  add_loader_options(*command, options.contender.loader);
  command->callback([arguments, exit_code] { *exit_code = run(*arguments); });
}

}  // namespace qload::bench
