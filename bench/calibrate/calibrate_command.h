// `qload_bench calibrate`: this device's profile, for `qpack pack --target`.
#pragma once

namespace CLI {
class App;
}

namespace qload::bench {

/// Adds the command to `app`. When it was chosen, its run sets `*exit_code`: 0 success, 1 a
/// measurement failed, 3 a decoder gave a wrong answer.
void add_calibrate_command(CLI::App& app, int* exit_code);

}  // namespace qload::bench
