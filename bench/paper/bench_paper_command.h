// `qload_bench paper`: the command line of the paper's table.
#pragma once

namespace CLI {
class App;
}

namespace qload::bench {

/// Adds the command to `app`. When it was chosen, its run sets `*exit_code`: 0 success, 1 the
/// benchmark failed, 3 an answer was wrong.
void add_paper_command(CLI::App& app, int* exit_code);

}  // namespace qload::bench
