// How the commands end: exit codes, messages, files of results.
#pragma once

#include <filesystem>
#include <string>

#include "qload/result.h"

namespace qload::bench {

// As qpack's: docs/cli.md, "Exit codes".
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

/// Says `error` on stderr. Returns qpack's exit code for it; a wrong answer is kCorrupt, 3.
int report_failure(const Error& error);

/// Writes `content` to a new file. On failure it says so on stderr and returns false.
bool write_text(const std::string& path, const std::string& content);

/// The folder of real models: $QLOAD_MODELS, else shared/models beside the checkout that this
/// program was built from; empty when that is not there.
std::filesystem::path default_models();

}  // namespace qload::bench
