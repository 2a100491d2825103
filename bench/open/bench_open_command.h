// `qload_bench open`: the command line of the open benchmark.
#pragma once

namespace CLI {
class App;
}

namespace qload::bench {

/// Adds the command to `app`. When it was chosen, its run sets `*exit_code` (docs/cli.md).
void add_open_command(CLI::App& app, int* exit_code);

}  // namespace qload::bench
