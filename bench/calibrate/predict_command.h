// `qload_bench predict`: what a device profile predicts, against what a load takes.
#pragma once

namespace CLI {
class App;
}

namespace qload::bench {

/// Adds the command to `app`. When it was chosen, its run sets `*exit_code`: 0 success, 1 failure,
/// 3 the container is damaged.
void add_predict_command(CLI::App& app, int* exit_code);

}  // namespace qload::bench
