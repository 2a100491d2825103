// This program again, as a process of its own.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "bench/load/bench_interrupt.h"
#include "qload/result.h"

namespace qload::bench {

/// How a child ended.
struct ChildEnd {
  std::string output;  ///< What it wrote to its standard output.
  int exit_code = 0;
  int signal = 0;  ///< That killed it; 0: none.
};

/// Runs this program with `arguments` and waits for its end. The child joins the control group of
/// `join_file` first (empty: none), so that all it ever has is charged there. It dies with this
/// process and on interruption. Call it on the main thread. kIo when it cannot start.
Result<ChildEnd> run_child(std::span<const std::string> arguments,
                           const std::filesystem::path& join_file, InterruptGuard& interrupts);

}  // namespace qload::bench
