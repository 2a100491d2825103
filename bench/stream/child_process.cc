#include "bench/stream/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

constexpr const char* kThisProgram = "/proc/self/exe";
// As a shell's for a command that cannot be run.
constexpr int kExitNoStart = 127;

// Between fork and exec: system calls only, for other threads may have held any lock. Does not
// return.
[[noreturn]] void become_child(int output, const char* join_file, char* const* arguments) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (dup2(output, STDOUT_FILENO) < 0) _exit(kExitNoStart);
  if (join_file != nullptr) {
    const int group = open(join_file, O_WRONLY | O_CLOEXEC);
    if (group < 0 || write(group, "0", 1) != 1) _exit(kExitNoStart);
  }
  execv(kThisProgram, arguments);
  _exit(kExitNoStart);
}

Status read_all(int descriptor, std::string& output) {
  std::array<char, 4096> block;
  for (;;) {
    const ssize_t got = read(descriptor, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error_from_errno("read from a child process", errno);
    if (got == 0) return Ok{};
    output.append(block.data(), static_cast<size_t>(got));
  }
}

Result<ChildEnd> wait_for(pid_t child, std::string output) {
  int state = 0;
  while (waitpid(child, &state, 0) < 0) {
    if (errno != EINTR) return error_from_errno("wait for a child process", errno);
  }
  ChildEnd end{.output = std::move(output)};
  if (WIFSIGNALED(state)) end.signal = WTERMSIG(state);
  if (WIFEXITED(state)) end.exit_code = WEXITSTATUS(state);
  if (end.exit_code == kExitNoStart) {
    return Error(ErrorCode::kIo, "a child process could not join its control group or start");
  }
  return end;
}

}  // namespace

Result<ChildEnd> run_child(std::span<const std::string> arguments,
                           const std::filesystem::path& join_file, InterruptGuard& interrupts) {
  std::string program = kThisProgram;
  std::vector<std::string> copies(arguments.begin(), arguments.end());
  std::vector<char*> pointers = {program.data()};
  for (std::string& argument : copies) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const char* const join = join_file.empty() ? nullptr : join_file.c_str();
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) return error_from_errno("pipe", errno);
  const pid_t child = fork();
  if (child == 0) become_child(pipe_ends[1], join, pointers.data());
  const int error_number = errno;
  close(pipe_ends[1]);
  if (child < 0) {
    close(pipe_ends[0]);
    return error_from_errno("fork", error_number);
  }
  const uint64_t cleanup_id = interrupts.add([child] {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  });
  std::string output;
  const Status read = read_all(pipe_ends[0], output);
  close(pipe_ends[0]);
  interrupts.remove(cleanup_id);
  auto end = wait_for(child, std::move(output));
  QLOAD_CHECK(read);
  return end;
}

}  // namespace qload::bench
