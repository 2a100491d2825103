// A contender in a process of its own: what it is asked, and what it answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/stream/pass_contender.h"
#include "bench/stream/pass_run.h"
#include "qload/result.h"

namespace qload::bench {

/// The command that the child runs; hidden from users.
inline constexpr std::string_view kPassChildCommand = "stream-passes";

struct PassJob {
  std::string contender;
  PassSetting setting;
  PassWork work;
};

/// The child's command line, without the program.
std::vector<std::string> arguments_of(const PassJob& job);

/// Runs the job in this process.
Result<PassRun> run_pass_job(const PassJob& job);

/// What the child prints: figures, or its error.
std::string run_to_text(const Result<PassRun>& run);
/// The reverse. kIo when `text` is no such text: the child ended without an answer.
Result<PassRun> run_from_text(std::string_view text);

}  // namespace qload::bench
