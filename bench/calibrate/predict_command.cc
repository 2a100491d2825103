#include "bench/bench_commands.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "bench/calibrate/load_prediction.h"
#include "bench/load/command_output.h"
#include "bench/load/report_json.h"
#include "bench/load/report_table.h"
#include "format/base/format_text.h"

namespace qload::bench {
namespace {

struct Arguments {
  PredictionOptions options;
  std::string target;
  bool unthrottled = false;
  bool json = false;
};

constexpr const char* kExamples =
    "Examples:\n"
    "  qload_bench predict model.qpk --target device.json\n"
    "  qload_bench predict model.qpk --target device.json --throttle 300M,1G --unthrottled";

std::string rate_text(uint64_t rate) {
  return rate == 0 ? "none" : print("%.4g MB/s", static_cast<double>(rate) / 1e6);
}

void print_predictions(const std::vector<LoadPrediction>& predictions) {
  const auto seconds = [](double value) { return print("%.4f", value); };
  print_titles({"throttle", "read s", "decode s", "touch s", "predicted s", "measured s", "min",
                "max", "predicted/measured"},
               TableStyle::kText, std::cout);
  for (const LoadPrediction& one : predictions) {
    print_row({rate_text(one.throttle_rate), seconds(one.predicted.read_seconds),
               seconds(one.predicted.decode_seconds), seconds(one.predicted.touch_seconds),
               seconds(one.predicted.total()), seconds(one.measured_seconds.median),
               seconds(one.measured_seconds.min), seconds(one.measured_seconds.max),
               print("%.3f", one.ratio())},
              TableStyle::kText, std::cout);
  }
}

void print_json(const std::vector<LoadPrediction>& predictions) {
  nlohmann::ordered_json loads = nlohmann::ordered_json::array();
  for (const LoadPrediction& one : predictions) {
    loads.push_back({{"throttle_bytes_per_second", one.throttle_rate},
                     {"predicted_seconds", one.predicted.total()},
                     {"read_seconds", one.predicted.read_seconds},
                     {"decode_seconds", one.predicted.decode_seconds},
                     {"touch_seconds", one.predicted.touch_seconds},
                     {"overhead_seconds", one.predicted.overhead_seconds},
                     {"measured_seconds", spread_to_json(one.measured_seconds)},
                     {"decode_busy_seconds", one.statistics.decode_busy_seconds},
                     {"prefault_busy_seconds", one.statistics.prefault_busy_seconds},
                     {"bound", load_stage_name(one.statistics.bound)},
                     {"ratio", one.ratio()}});
  }
  std::cout << nlohmann::ordered_json{{"loads", std::move(loads)}}.dump(2) << '\n';
}

int run(const Arguments& arguments) {
  const auto profile = tools::find_profile(arguments.target);
  if (!profile) return report_failure(profile.error());
  PredictionOptions options = arguments.options;
  if (arguments.unthrottled || options.throttle_rates.empty()) options.throttle_rates.push_back(0);
  InterruptGuard interrupts;
  const auto predictions = check_prediction(*profile, options, interrupts);
  if (!predictions) return report_failure(predictions.error());
  if (arguments.json) {
    print_json(*predictions);
  } else {
    print_predictions(*predictions);
  }
  return 0;
}

}  // namespace

void add_predict_command(CLI::App& app, int* exit_code) {
  auto arguments = std::make_shared<Arguments>();
  PredictionOptions& options = arguments->options;
  CLI::App* command = app.add_subcommand(
      "predict", "Checks a device profile: cold loads as predicted and as measured");
  command->footer(kExamples);
  command->add_option("CONTAINER", options.container, "A packed model")->required();
  command
      ->add_option("--target", arguments->target,
                   "The profile that calibrate wrote of this device, or a built-in one's name")
      ->required();
  command
      ->add_option("--throttle", options.throttle_rates,
                   "Limits reads to so many bytes per second, as 300M,1G (powers of 1000; root)")
      ->delimiter(',')
      ->transform(CLI::AsSizeValue(true))
      ->check(CLI::PositiveNumber);
  command->add_flag("--unthrottled", arguments->unthrottled,
                    "Also without a limit (the default without --throttle)");
  command->add_option("--runs", options.runs, "Loads at each rate")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--dir", options.scratch, "Place for scratch files; beside the container");
  command->add_flag("--json", arguments->json, "Prints JSON");
  command->callback([arguments, exit_code] { *exit_code = run(*arguments); });
}

}  // namespace qload::bench
