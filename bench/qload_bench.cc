// qload_bench: end-to-end benchmarks, one command each.
#include <CLI/CLI.hpp>

#include "bench/load/bench_load_command.h"

int main(int argument_count, char** arguments) {
  CLI::App app("Benchmarks of qload");
  app.require_subcommand(1);
  int exit_code = 0;
  qload::bench::add_load_command(app, &exit_code);
  CLI11_PARSE(app, argument_count, arguments);
  return exit_code;
}
