// qload_refuse [--uring EPERM|ENOSYS] [--direct] [--memlock BYTES] -- COMMAND ARGUMENTS...
// Runs a command where the kernel refuses what is named. Exits 125 when it cannot refuse here (a
// test skips then), 127 when the command cannot run, else as the command does.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "tests/support/refusal.h"

namespace {

constexpr int kExitCannotRefuse = 125;
constexpr int kExitNoCommand = 127;

int usage() {
  std::fprintf(stderr,
               "usage: qload_refuse [--uring EPERM|ENOSYS] [--direct] [--memlock BYTES] -- "
               "COMMAND ARGUMENTS...\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  qload::test::Refusals refusals;
  int at = 1;
  for (; at < argc && std::string_view(argv[at]) != "--"; ++at) {
    const std::string_view option = argv[at];
    const std::string_view value = at + 1 < argc ? argv[at + 1] : "";
    if (option == "--direct") {
      refusals.direct = true;
    } else if (option == "--uring" && (value == "EPERM" || value == "ENOSYS")) {
      refusals.uring_error = value == "EPERM" ? EPERM : ENOSYS;
      ++at;
    } else if (option == "--memlock" && !value.empty()) {
      char* end = nullptr;
      refusals.memlock_bytes = std::strtoull(argv[++at], &end, 10);
      if (*end != '\0') return usage();
    } else {
      return usage();
    }
  }
  if (at + 1 >= argc) return usage();
  if (const int failed = qload::test::apply_refusals(refusals); failed != 0) {
    std::fprintf(stderr, "qload_refuse: cannot refuse here: %s\n", std::strerror(failed));
    return kExitCannotRefuse;
  }
  execvp(argv[at + 1], argv + at + 1);
  std::fprintf(stderr, "qload_refuse: %s: %s\n", argv[at + 1], std::strerror(errno));
  return kExitNoCommand;
}
