#include "bench/bench_commands.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <optional>
#include <utility>

#include "bench/calibrate/calibrate_device.h"
#include "bench/calibrate/calibration_report.h"
#include "bench/calibrate/scratch_file.h"
#include "bench/load/command_output.h"
#include "format/base/bytes.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/report/size_text.h"

namespace qload::bench {
namespace {

struct Arguments {
  CalibrationOptions options;
  std::string output;
  bool json = false;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  qload_bench calibrate --dir /mnt/models -o device.json\n"
    "  qpack pack model.safetensors --target device.json\n"
    "  qload_bench calibrate --quick --throttle 300000000 --json";

Status check_options(const CalibrationOptions& options) {
  if (options.file_bytes < kScratchBytesMin) {
    return Error(ErrorCode::kInvalidArgument,
                 text("--file-size is ", options.file_bytes, " bytes; expected at least ",
                      kScratchBytesMin, " (4M)"));
  }
  if (const size_t length = tools::printable(options.name).size();
      length > tools::kProfileNameMax) {
    return Error(
        ErrorCode::kInvalidArgument,
        text("--name has ", length, " characters; expected at most ", tools::kProfileNameMax));
  }
  return Ok{};
}

Result<std::optional<AtomicFile>> create_output(const std::string& path) {
  if (path.empty()) return std::optional<AtomicFile>();
  QLOAD_TRY(AtomicFile file, AtomicFile::create(path, {.overwrite = true}));
  return std::optional<AtomicFile>(std::move(file));
}

int run(const Arguments& arguments) {
  const Status valid = check_options(arguments.options);
  if (!valid.ok()) return report_failure(valid.error());
  InterruptGuard interrupts;
  // First, so that a path that cannot be written is told at once. Other programs read profiles:
  // one appears whole or not at all.
  auto output = create_output(arguments.output);
  if (!output) return report_failure(output.error());
  const auto calibration = calibrate_device(arguments.options, interrupts);
  if (!calibration) return report_failure(calibration.error());
  const std::string json = calibration_to_json(*calibration);
  if (std::optional<AtomicFile>& file = *output; file) {
    Status written = file->write_at(0, as_byte_span(json));
    if (written.ok()) written = file->commit();
    if (!written.ok()) return report_failure(written.error());
  }
  if (arguments.json) {
    std::cout << json;
  } else {
    print_calibration(*calibration, std::cout);
  }
  std::cout << std::flush;
  return std::cout.good() ? 0 : kExitFailed;
}

}  // namespace

void add_calibrate_command(CLI::App& app, int* exit_code) {
  auto arguments = std::make_shared<Arguments>();
  CalibrationOptions& options = arguments->options;
  CLI::App* command = app.add_subcommand(
      "calibrate", "Measures this device for `qpack pack --target` and `qpack plan --target`");
  command->footer(kExamples);
  command->add_option("--dir", options.directory, "A directory on the storage to measure; here");
  command->add_option("-o,--output", arguments->output, "Writes the device profile to this file");
  command->add_option("--name", options.name, "Of the profile, at most 32 characters; the host's");
  command->add_flag("--json", arguments->json, "Prints the profile instead of the table");
  command->add_flag("--quick", options.quick, "A few seconds instead of most of a minute");
  command
      ->add_option("--throttle", options.throttle_rate,
                   "Limits reads to so many bytes per second (root, cgroup)")
      ->transform(CLI::AsSizeValue(true))
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--file-size", options.file_bytes,
                   "Of the scratch file, 4M or more, at most a quarter of the free space; 512M")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::PositiveNumber);
  command->add_option("--threads", options.threads, "Decode threads; one for each processor")
      ->check(CLI::Range(0, 1024));
  command->callback([arguments, exit_code] { *exit_code = run(*arguments); });
}

}  // namespace qload::bench
