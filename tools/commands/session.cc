#include "tools/commands/session.h"

#include <csignal>
#include <cstdio>

#include "format/base/format_text.h"
#include "tools/logging.h"
#include "tools/report/exit_code.h"

namespace qload::tools {

int fail(const Session& session, const Error& error) {
  const int number = session.interrupt.signal_number();
  if (error.code() == ErrorCode::kCancelled && number != 0) {
    log_error(text("stopped by ", number == SIGINT ? "SIGINT" : "SIGTERM",
                   "; no unfinished file is left"));
    return kExitSignal + number;
  }
  log_error(error.message());
  return exit_code(error.code());
}

int fail_usage(std::string_view message) {
  log_error(message);
  return kExitUsage;
}

std::optional<int> refuse_existing(const std::filesystem::path& output, bool overwrite) {
  std::error_code ignored;
  if (overwrite || !std::filesystem::exists(output, ignored)) return std::nullopt;
  return fail_usage(text(quote(output.string()), " already exists; --force replaces it"));
}

int print_result(std::string_view result) {
  const bool written = std::fwrite(result.data(), 1, result.size(), stdout) == result.size();
  if (written && std::fflush(stdout) == 0) return kExitOk;
  log_error("cannot write to stdout");
  return kExitFailed;
}

std::function<void(const PackProgress&)> draw_on(ProgressBar& bar) {
  return [&bar](const PackProgress& progress) {
    bar.update(progress.bytes_done, progress.bytes_total);
  };
}

std::string help_footer(std::string_view example) {
  return text("Example:\n  ", example, "\n\n", exit_code_help());
}

}  // namespace qload::tools
