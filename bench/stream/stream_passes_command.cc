// The hidden command that `qload_bench stream` runs each contender by, in a process of its own.
#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "bench/bench_commands.h"
#include "bench/load/command_output.h"
#include "bench/stream/pass_child.h"

namespace qload::bench {

void add_stream_passes_command(CLI::App& app, int* exit_code) {
  auto job = std::make_shared<PassJob>();
  PassSetting& setting = job->setting;
  CLI::App* command = app.add_subcommand(std::string(kPassChildCommand), "");
  command->group("");
  command->add_option("--contender", job->contender)->required();
  command->add_option("--model", setting.model)->required();
  command->add_option("--packed", setting.packed)->required();
  command->add_option("--budget", setting.budget.budget_bytes)->required();
  command->add_option("--staging", setting.budget.staging_bytes)->required();
  command->add_option("--threads", setting.threads);
  command->add_option("--passes", job->work.passes);
  command->add_option("--compute-seconds", job->work.compute_seconds);
  command->add_option("--storage-rate", setting.budget.rates.storage_rate);
  command->add_option("--decode-rate", setting.budget.rates.decode_rate);
  command->add_option("--pass-compute-seconds", setting.budget.rates.compute_seconds);
  command->add_flag("--keep-packed", setting.keep_packed);
  command->callback([job, exit_code] {
    job->setting.budget.rates.compute_threads = 1;  // run_passes computes on the calling thread.
    const auto run = run_pass_job(*job);
    std::cout << run_to_text(run) << std::endl;
    *exit_code = run.ok() ? 0 : kExitFailed;
  });
}

}  // namespace qload::bench
