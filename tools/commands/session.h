// What every command shares: the stop request, progress, and how a run ends.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "format/pack/pack.h"
#include "qload/result.h"
#include "tools/commands/command_line.h"
#include "tools/report/interrupt.h"
#include "tools/report/progress_bar.h"

namespace qload::tools {

/// One run of the tool.
struct Session {
  Interrupt& interrupt;
  ProgressMode progress = ProgressMode::kTerminal;
};

/// Logs `error` and returns the exit code for it; a cancelled run names the signal.
int fail(const Session& session, const Error& error);
int fail_usage(std::string_view message);

/// The exit code of a command that must not replace `output`; nothing when it may go on. The
/// library refuses it as well: this is for the hint, and before any work is done.
std::optional<int> refuse_existing(const std::filesystem::path& output, bool overwrite);

/// Writes to stdout and returns kExitOk, or kExitFailed when stdout cannot be written.
int print_result(std::string_view result);

/// A progress callback for pack, verify and unpack that draws `bar`.
std::function<void(const PackProgress&)> draw_on(ProgressBar& bar);

/// What follows a command's help: `example` and the exit codes.
std::string help_footer(std::string_view example);

}  // namespace qload::tools
