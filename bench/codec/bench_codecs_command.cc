#include "bench/bench_commands.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <sstream>

#include "bench/codec/codec_comparison.h"
#include "bench/codec/codec_contender.h"
#include "bench/codec/codec_data.h"
#include "bench/load/command_output.h"
#include "format/codec/lane_huffman/lane_kernel.h"

namespace qload::bench {
namespace {

// Values as they stand on the command line.
struct Arguments {
  CodecComparisonOptions options;
  bool encode = false;
  bool list = false;
  bool no_models = false;
  std::string json_path;
  std::string markdown_path;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  qload_bench codecs\n"
    "  qload_bench codecs --data int8-5.0,bf16 --contenders memcpy,zstd-1,lane-avx2\n"
    "  qload_bench codecs --data models --chunk-sizes 64K,256K,1M,4M --json codecs.json\n"
    "  qload_bench codecs --encode --data synthetic --markdown encode.md\n"
    "  qload_bench codecs --threads 1,2 --data int8-5.0";

int list(const CodecComparisonOptions& options) {
  const auto kinds = list_codec_data(options.models);
  if (!kinds) return report_failure(kinds.error());
  std::cout << "data sets:\n";
  for (const CodecDataKind& kind : *kinds) {
    std::cout << "  " << kind.name << ": " << kind.description << '\n';
  }
  std::cout << "contenders (* of --encode, too):\n";
  for (const CodecContender& contender : all_codec_contenders()) {
    std::cout << (contender.encodes ? "* " : "  ") << contender.name << ": "
              << contender.description << '\n';
  }
  std::cout << "the lane kernel chosen here is " << chosen_lane_kernel().name << '\n';
  return 0;
}

int run(const Arguments& arguments) {
  CodecComparisonOptions options = arguments.options;
  if (arguments.no_models) {
    options.models.clear();
  } else if (options.models.empty()) {
    options.models = default_models();
  }
  if (arguments.encode) options.mode = CodecMode::kEncode;
  if (!options.threads.empty()) options.mode = CodecMode::kThreads;
  if (arguments.list) return list(options);

  std::ostringstream markdown;
  const CodecComparisonEvents events = {
      .on_start =
          [&](const CodecReport& report) {
            print_codec_facts(report, TableStyle::kText, std::cout);
            print_codec_facts(report, TableStyle::kMarkdown, markdown);
          },
      .on_table =
          [&](const CodecReport& report) {
            print_codec_table(report, report.tables.back(), TableStyle::kText, std::cout);
            std::cout << std::flush;
            print_codec_table(report, report.tables.back(), TableStyle::kMarkdown, markdown);
          }};
  const auto report = compare_codecs(options, events);
  if (!report) return report_failure(report.error());
  if (!arguments.json_path.empty() &&
      !write_text(arguments.json_path, codec_report_to_json(*report) + "\n")) {
    return kExitFailed;
  }
  if (!arguments.markdown_path.empty() && !write_text(arguments.markdown_path, markdown.str())) {
    return kExitFailed;
  }
  return 0;
}

void add_measurement_options(CLI::App& command, CodecComparisonOptions& options) {
  command.add_option("--rounds", options.rounds, "Measurements of each contender, interleaved")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command.add_option("--seconds", options.seconds_min, "Shortest time of a measurement")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
  command
      .add_option("--working-set", options.working_set_bytes,
                  "Decoded bytes of synthetic data, and of the memory decoded to; smaller files "
                  "are repeated until they have as much [8M]")
      ->transform(CLI::AsSizeValue(false) & CLI::Range(uint64_t{64} << 10, uint64_t{1} << 30))
      ->option_text("SIZE");
  command
      .add_option("--gain-min", options.gain_min,
                  "Share of a filtered stream that coding must save, as qpack's")
      ->check(CLI::Range(0.0, 0.99))
      ->capture_default_str();
  command.add_option("--processor", options.processor, "The processor to measure on; the first");
}

}  // namespace

void add_codecs_command(CLI::App& app, int* exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CodecComparisonOptions& options = arguments->options;
  CLI::App* command = app.add_subcommand(
      "codecs", "Compares codecs on chunks of weights: speed and ratio against zstd -1 and memcpy");
  command->footer(kExamples);
  command
      ->add_option("--data", options.data,
                   "Names from --list, separated by commas; also synthetic, models; all")
      ->delimiter(',');
  command->add_option("--contenders", options.contenders, "Names from --list; all")->delimiter(',');
  command
      ->add_option("--chunk-sizes", options.chunk_sizes,
                   "Decoded bytes of a chunk, a table for each, as 64K,256K,1M,4M [1M]")
      ->delimiter(',')
      ->transform(CLI::AsSizeValue(false) & CLI::Range(uint64_t{4} << 10, uint64_t{16} << 20))
      ->option_text("SIZE,...");
  command->add_option("--models", options.models,
                      "Folder of safetensors and GGUF files; $QLOAD_MODELS, else shared/models "
                      "beside the checkout");
  command->add_flag("--no-models", arguments->no_models, "Synthetic data only");
  auto* encode = command->add_flag("--encode", arguments->encode, "Measures encoding");
  command
      ->add_option("--threads", options.threads,
                   "Measures decoding by so many pinned threads side by side, as 1,2")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->excludes(encode);
  command->add_flag("--list", arguments->list, "Lists data sets, contenders and kernels");
  command->add_option("--json", arguments->json_path, "Writes all figures to this file");
  command->add_option("--markdown", arguments->markdown_path, "Writes the tables to this file");
  add_measurement_options(*command, options);
  command->callback([arguments, exit_code] { *exit_code = run(*arguments); });
}

}  // namespace qload::bench
