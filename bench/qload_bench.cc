// qload_bench: end-to-end benchmarks, one command each.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "bench/bench_commands.h"

namespace {

// As qpack's: docs/cli.md, "Exit codes".
constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;

int run_bench(int argument_count, char** arguments) {
  CLI::App app("Benchmarks of qload");
  app.require_subcommand(1);
  int exit_code = 0;
  qload::bench::add_load_command(app, &exit_code);
  qload::bench::add_codecs_command(app, &exit_code);
  qload::bench::add_recipes_command(app, &exit_code);
  qload::bench::add_paper_command(app, &exit_code);
  qload::bench::add_open_command(app, &exit_code);
  qload::bench::add_sweep_command(app, &exit_code);
  qload::bench::add_stream_command(app, &exit_code);
  qload::bench::add_stream_passes_command(app, &exit_code);
  qload::bench::add_experts_command(app, &exit_code);
  qload::bench::add_calibrate_command(app, &exit_code);
  qload::bench::add_predict_command(app, &exit_code);
  try {
    app.parse(argument_count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  return exit_code;
}

}  // namespace

int main(int argument_count, char** arguments) {
  try {
    return run_bench(argument_count, arguments);
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "qload_bench: error: %s\n", exception.what());
    return kExitFailure;
  }
}
