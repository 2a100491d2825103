#include "tests/cli/run_tool.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <sstream>
#include <thread>

namespace qload::test {
namespace {

std::string read_text(const std::filesystem::path& path) {
  const std::vector<std::byte> bytes = read_file(path);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::string> split_list(const std::string& list) {
  std::vector<std::string> items;
  std::istringstream stream(list);
  for (std::string item; std::getline(stream, item, '|');) items.push_back(item);
  return items;
}

}  // namespace

ToolProcess::ToolProcess(const std::vector<std::string>& command) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const std::string out = directory_ / "out";
  const std::string err = directory_ / "err";
  const int flags = O_WRONLY | O_CREAT | O_TRUNC;
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), flags, 0600);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), flags, 0600);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGINT);
  sigaddset(&defaults, SIGTERM);
  sigset_t blocked;
  sigemptyset(&blocked);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setsigmask(&attributes, &blocked);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  std::vector<char*> arguments;
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  const int failed =
      posix_spawnp(&pid_, arguments[0], &actions, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) {
    ADD_FAILURE() << "cannot start " << command[0] << ": " << std::strerror(failed);
    pid_ = -1;
    ended_ = true;
  }
}

ToolProcess::~ToolProcess() {
  if (ended_) return;
  kill(pid_, SIGKILL);
  wait();
}

void ToolProcess::send(int signal) {
  if (!ended_) kill(pid_, signal);
}

bool ToolProcess::wait_for_error_text(const std::string& text) {
  while (!ended_) {
    if (waitpid(pid_, &status_, WNOHANG) == pid_) ended_ = true;
    if (read_text(directory_ / "err").find(text) != std::string::npos) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

ToolResult ToolProcess::wait() {
  ToolResult result;
  if (pid_ < 0) return result;
  while (!ended_) ended_ = waitpid(pid_, &status_, 0) == pid_;
  if (WIFEXITED(status_)) result.exit_code = WEXITSTATUS(status_);
  if (WIFSIGNALED(status_)) result.signal = WTERMSIG(status_);
  result.out = read_text(directory_ / "out");
  result.err = read_text(directory_ / "err");
  return result;
}

std::vector<std::string> tool_command(const std::string& program) {
  std::vector<std::string> command = split_list(QLOAD_EMULATOR);
  command.push_back(program);
  return command;
}

std::vector<std::string> qpack_command(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = tool_command(QLOAD_QPACK_PATH);
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

ToolResult run_command(const std::vector<std::string>& command) {
  return ToolProcess(command).wait();
}

ToolResult run_qpack(const std::vector<std::string>& arguments) {
  return run_command(qpack_command(arguments));
}

nlohmann::json parse_output(const ToolResult& result) {
  nlohmann::json json = nlohmann::json::parse(result.out, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << result.out << result.err;
  return json;
}

ToolResult expect_success(const std::vector<std::string>& arguments) {
  const ToolResult result = run_qpack(arguments);
  EXPECT_EQ(result.exit_code, 0) << arguments[0] << ": " << result.err;
  return result;
}

void expect_failure(const std::vector<std::string>& arguments, int exit_code,
                    const std::string& text) {
  const ToolResult result = run_qpack(arguments);
  SCOPED_TRACE(arguments.empty() ? "no command" : arguments[0]);
  EXPECT_EQ(result.exit_code, exit_code) << result.err;
  EXPECT_EQ(result.out, "");
  EXPECT_TRUE(result.err.starts_with("qpack: error: ")) << result.err;
  EXPECT_EQ(result.err.find('\n') + 1, result.err.size()) << result.err;
  EXPECT_NE(result.err.find(text), std::string::npos) << result.err;
}

PackedTiny::PackedTiny()
    : source((directory / "tiny.safetensors").string()),
      container((directory / "tiny.qpk").string()) {
  expect_success({"synth", "-o", source, "--model", "tiny", "--threads", "2"});
  expect_success({"pack", source, "-o", container});
}

}  // namespace qload::test
