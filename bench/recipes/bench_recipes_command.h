// `qload_bench recipes`: the command line of the recipe benchmark.
#pragma once

namespace CLI {
class App;
}

namespace qload::bench {

/// Adds the command to `app`. When it was chosen, its run sets `*exit_code`: 0 success, 1 the
/// benchmark failed, 3 a container does not hold what was packed.
void add_recipes_command(CLI::App& app, int* exit_code);

}  // namespace qload::bench
