#include "bench/bench_commands.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <sstream>

#include "bench/load/command_output.h"
#include "bench/paper/paper_benchmark.h"

namespace qload::bench {
namespace {

// Values as they stand on the command line.
struct Arguments {
  PaperOptions options;
  uint32_t table = 0;
  std::string json_path;
  std::string markdown_path;
  std::string svg_path;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  qload_bench paper --table 6 --dir models --keep --svg table6.svg\n"
    "  qload_bench paper --table 6 --models opt-1.3b --rate 300M --json table6.json\n"
    "  qload_bench paper --table 6 --models opt-13b,opt-30b --stream-only";

bool write_reports(const Arguments& arguments, const PaperReport& report) {
  bool written = true;
  if (!arguments.json_path.empty()) {
    written &= write_text(arguments.json_path, paper_report_to_json(report) + "\n");
  }
  if (!arguments.markdown_path.empty()) {
    std::ostringstream markdown;
    print_paper_report(report, TableStyle::kMarkdown, markdown);
    written &= write_text(arguments.markdown_path, markdown.str());
  }
  if (!arguments.svg_path.empty()) {
    written &= write_text(arguments.svg_path, paper_report_to_svg(report));
  }
  return written;
}

int run(const Arguments& arguments) {
  InterruptGuard interrupts;
  const auto report = run_paper_benchmark(arguments.options, interrupts);
  if (!report) return report_failure(report.error());
  print_paper_report(*report, TableStyle::kText, std::cout);
  return write_reports(arguments, *report) ? 0 : kExitFailed;
}

}  // namespace

void add_paper_command(CLI::App& app, int* exit_code) {
  auto arguments = std::make_shared<Arguments>();
  PaperOptions& options = arguments->options;
  CLI::App* command = app.add_subcommand(
      "paper", "Load times before and after compression, beside those of the paper's table");
  command->footer(kExamples);
  command->add_option("--table", arguments->table, "The paper's table: 6")
      ->required()
      ->check(CLI::IsMember({6}));
  command->add_option("--models", options.models, "As synth's, separated by commas")
      ->delimiter(',')
      ->capture_default_str();
  command
      ->add_option("--rate", options.rate,
                   "Limits reads to so many bytes per second, as 300M (root, cgroup; powers of "
                   "1000); the storage as it is")
      ->transform(CLI::AsSizeValue(true))
      ->check(CLI::PositiveNumber);
  command->add_option("--runs", options.runs, "Timed runs of each row")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command
      ->add_option("--dir", options.directory,
                   "Place for models and their packed forms; a model that is there is used")
      ->capture_default_str();
  command->add_flag("--keep", options.keep, "Leaves models and their packed forms in --dir");
  command->add_option("--threads", options.threads, "0: one for each processor")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--stream-only", options.stream_only,
                    "Loads layer after layer into memory that is used again");
  command->add_option("--json", arguments->json_path, "Writes all figures to this file");
  command->add_option("--markdown", arguments->markdown_path, "Writes the tables to this file");
  command->add_option("--svg", arguments->svg_path, "Writes a chart to this file");
  command->callback([arguments, exit_code] { *exit_code = run(*arguments); });
}

}  // namespace qload::bench
