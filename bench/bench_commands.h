// The commands of qload_bench, each in the folder of its benchmark. Each function adds its command
// to `app`; when that is chosen, its run sets `*exit_code` (docs/cli.md, "Exit codes").
#pragma once

namespace CLI {
class App;
}

namespace qload::bench {

void add_load_command(CLI::App& app, int* exit_code);
void add_sweep_command(CLI::App& app, int* exit_code);
void add_stream_command(CLI::App& app, int* exit_code);
/// By which add_stream_command's runs each contender in a process of its own; hidden.
void add_stream_passes_command(CLI::App& app, int* exit_code);
void add_open_command(CLI::App& app, int* exit_code);
void add_experts_command(CLI::App& app, int* exit_code);
void add_codecs_command(CLI::App& app, int* exit_code);
void add_recipes_command(CLI::App& app, int* exit_code);
void add_paper_command(CLI::App& app, int* exit_code);
void add_calibrate_command(CLI::App& app, int* exit_code);
void add_predict_command(CLI::App& app, int* exit_code);

}  // namespace qload::bench
