// Runs the real qpack as a user would: arguments in, exit code, stdout and stderr out.
#pragma once

#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/test_files.h"

namespace qload::test {

struct ToolResult {
  int exit_code = -1;  ///< -1 when a signal ended it.
  int signal = 0;
  std::string out;
  std::string err;
};

/// A started process with its output going to files in a directory of its own.
class ToolProcess {
 public:
  /// Starts `command` (program and arguments). SIGINT and SIGTERM have their default action,
  /// whatever this process inherited.
  explicit ToolProcess(const std::vector<std::string>& command);
  ~ToolProcess();
  void send(int signal);
  /// Waits until stderr holds `text`; false when the process ended first.
  bool wait_for_error_text(const std::string& text);
  ToolResult wait();

 private:
  TempDirectory directory_;
  pid_t pid_ = -1;
  bool ended_ = false;
  int status_ = 0;
};

/// The start of a command line that runs `program` (under the emulator in a cross build).
std::vector<std::string> tool_command(const std::string& program);
/// The command line that runs qpack with `arguments`.
std::vector<std::string> qpack_command(const std::vector<std::string>& arguments);
ToolResult run_command(const std::vector<std::string>& command);
ToolResult run_qpack(const std::vector<std::string>& arguments);

/// stdout as JSON; fails the test when it is not.
nlohmann::json parse_output(const ToolResult& result);

/// Runs qpack and fails the test unless it exits with 0.
ToolResult expect_success(const std::vector<std::string>& arguments);
/// Fails the test unless qpack exits with `exit_code`, says nothing on stdout, and says one line
/// on stderr that starts with "qpack: error: " and holds `text`.
void expect_failure(const std::vector<std::string>& arguments, int exit_code,
                    const std::string& text);

/// A model of about 4 MB by `qpack synth`, at directory / "tiny.safetensors", and its container at
/// directory / "tiny.qpk".
struct PackedTiny {
  PackedTiny();
  std::string operator/(const std::string& name) const { return (directory / name).string(); }
  TempDirectory directory;
  std::string source;
  std::string container;
};

}  // namespace qload::test
