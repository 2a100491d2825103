// Kernels that refuse: io_uring by seccomp, O_DIRECT at open, locked memory by its limit. Each in a
// child, because a refusal is for good.
#include "tests/support/refusal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <functional>
#include <vector>

#include "tests/support/engine_kinds.h"
#include "tests/support/test_files.h"

namespace qload {
namespace {

constexpr int kCannotRefuse = 125;

/// The exit status of `work` in a child to which the refusals apply; -1 when it died of a signal.
int run_refused(const test::Refusals& refusals, const std::function<int()>& work) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    if (test::apply_refusals(refusals) != 0) _exit(kCannotRefuse);
    const int status = work();
    std::fflush(nullptr);
    _exit(status);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define EXPECT_REFUSED_RUN(refusals, work)                                    \
  do {                                                                        \
    const int status = run_refused(refusals, work);                           \
    if (status == kCannotRefuse) GTEST_SKIP() << "no seccomp or limits here"; \
    EXPECT_EQ(status, 0);                                                     \
  } while (false)

TEST(RefusedUring, IsUnsupportedWithItsErrno) {
  for (const int error : {EPERM, ENOSYS}) {
    EXPECT_REFUSED_RUN(test::Refusals{.uring_error = error}, [error] {
      int refusal = -1;
      auto engine = make_uring_engine({}, &refusal);
      if (engine.ok()) return 1;
      if (engine.error().code() != ErrorCode::kUnsupported) return 2;
      if (refusal != error) return 3;
      if (make_uring_engine({}, nullptr).ok()) return 4;
      return make_pread_engine({}, 2).ok() ? 0 : 5;
    });
  }
}

TEST(RefusedUring, RefusalIsZeroWhereItWorks) {
  int refusal = -1;
  auto engine = make_uring_engine({}, &refusal);
  if (!engine.ok()) {
    EXPECT_GT(refusal, 0);
    GTEST_SKIP() << engine.error().message();
  }
  EXPECT_EQ(refusal, 0);
}

TEST(RefusedDirect, IsUnsupportedAndNamesTheOpen) {
  test::TempDirectory directory;
  test::write_file(directory / "file", test::random_bytes(8192, 1));
  EXPECT_REFUSED_RUN(test::Refusals{.direct = true}, [&] {
    const int file = open((directory / "file").c_str(), O_RDONLY);
    if (file < 0) return 1;
    auto direct = DirectFile::open(file);
    if (direct.ok()) return 2;
    if (direct.error().code() != ErrorCode::kUnsupported) return 3;
    return direct.error().message().find("open") != std::string_view::npos ? 0 : 4;
  });
}

// 16 MiB of staging against a limit of 64 KiB (and of nothing): the ring works without registered
// buffers, and says so.
TEST(RefusedLockedMemory, ReadsWithoutRegisteredBuffers) {
  test::TempDirectory directory;
  const auto content = test::random_bytes(300'000, 5);
  test::write_file(directory / "file", content);
  for (const uint64_t limit : {uint64_t{0}, uint64_t{65536}}) {
    EXPECT_REFUSED_RUN(test::Refusals{.memlock_bytes = limit}, [&] {
      test::AlignedMemory staging(16 << 20);
      auto engine = make_uring_engine({.queue_depth = 8, .staging = staging.span()}, nullptr);
      if (!engine.ok()) {  // Many kernels count the ring itself as locked.
        return engine.error().code() == ErrorCode::kUnsupported ? 0 : 1;
      }
      if ((*engine)->buffers_registered()) return 2;
      const int file = open((directory / "file").c_str(), O_RDONLY);
      if (!(*engine)->attach({.buffered = file}).ok()) return 3;
      (*engine)->submit({.data = staging.data(), .bytes = 300'000, .bytes_required = 300'000});
      Completion done[1];
      if ((*engine)->wait(done) != 1 || done[0].error_number != 0) return 4;
      return std::equal(content.begin(), content.end(), staging.data()) ? 0 : 5;
    });
  }
}

TEST(LockedMemory, RegistersStagingWhereTheLimitAllows) {
  test::AlignedMemory staging(256 << 10);
  auto engine = make_uring_engine({.queue_depth = 8, .staging = staging.span()}, nullptr);
  if (!engine.ok()) GTEST_SKIP() << engine.error().message();
  if (!(*engine)->buffers_registered()) GTEST_SKIP() << "the limit on locked memory is too small";
}

}  // namespace
}  // namespace qload
