// Exit codes of the tools: what a script needs to know about a failure. docs/cli.md lists them.
#pragma once

#include "qload/result.h"

namespace qload::tools {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;       ///< The operation failed: I/O, memory, time, space.
inline constexpr int kExitUsage = 2;        ///< The command line, or a precondition of the command.
inline constexpr int kExitCorrupt = 3;      ///< The input is damaged or is not what it claims.
inline constexpr int kExitUnsupported = 4;  ///< Well formed, but not known to this build.
inline constexpr int kExitNotFound = 5;     ///< No such file or tensor.
inline constexpr int kExitUntrusted = 6;    ///< Intact, but not the model that was demanded.
inline constexpr int kExitSignal = 128;     ///< Plus the signal: 130 SIGINT, 143 SIGTERM.

/// The exit code that reports `code`. kCancelled gives 130; the caller knows the real signal.
int exit_code(ErrorCode code);

/// Code and meaning, one line each, for help texts.
const char* exit_code_help();

}  // namespace qload::tools
