#include "runtime/io/direct_io.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "format/base/checked.h"
#include "format/base/file.h"
#include "tests/support/engine_kinds.h"
#include "tests/support/test_files.h"

namespace qload {
namespace {

TEST(DirectFile, OpensAndReadsWhereTheFileSystemAllows) {
  test::TempDirectory directory;
  const auto content = test::random_bytes(100'000, 1);
  test::write_file(directory / "file", content);
  auto file = File::open(directory / "file");
  ASSERT_TRUE(file.ok());
  auto direct = DirectFile::open(file->descriptor());
  if (!direct.ok()) {
    EXPECT_EQ(direct.error().code(), ErrorCode::kUnsupported);
    GTEST_SKIP() << direct.error().message();
  }
  EXPECT_TRUE(is_power_of_two(direct->alignment()));
  EXPECT_GE(direct->alignment(), 512u);
  EXPECT_LE(direct->alignment(), 65536u);
  EXPECT_NE(direct->descriptor(), file->descriptor());
  EXPECT_NE(fcntl(direct->descriptor(), F_GETFL) & O_DIRECT, 0);
  EXPECT_NE(fcntl(direct->descriptor(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(fcntl(file->descriptor(), F_GETFL) & O_DIRECT, 0);  // The caller's is as it was.
  test::AlignedMemory memory(65536);
  ASSERT_EQ(pread(direct->descriptor(), memory.data(), 65536, 0), 65536);
  EXPECT_TRUE(std::equal(memory.span().begin(), memory.span().end(), content.begin()));

  const int descriptor = direct->descriptor();
  DirectFile moved = std::move(direct).value();
  EXPECT_EQ(moved.descriptor(), descriptor);
  moved = DirectFile();
  EXPECT_EQ(moved.descriptor(), -1);
  EXPECT_EQ(fcntl(descriptor, F_GETFD), -1);
}

TEST(DirectFile, SmallerThanABlock) {
  test::TempDirectory directory;
  test::write_file(directory / "file", "x");
  auto file = File::open(directory / "file");
  ASSERT_TRUE(file.ok());
  auto direct = DirectFile::open(file->descriptor());
  if (!direct.ok()) {
    EXPECT_EQ(direct.error().code(), ErrorCode::kUnsupported);
  }
}

void expect_refused(int descriptor, std::string_view word) {
  auto direct = DirectFile::open(descriptor);
  ASSERT_FALSE(direct.ok());
  EXPECT_EQ(direct.error().code(), ErrorCode::kUnsupported);
  EXPECT_NE(direct.error().message().find(word), std::string_view::npos)
      << direct.error().message();
}

TEST(DirectFile, RefusalsSayWhichStep) {
  expect_refused(-1, "fstat");
  int pipes[2];
  ASSERT_EQ(pipe(pipes), 0);
  expect_refused(pipes[0], "not a regular file");
  close(pipes[0]);
  close(pipes[1]);
  test::TempDirectory directory;
  const int folder = open(directory.path().c_str(), O_RDONLY | O_DIRECTORY);
  expect_refused(folder, "not a regular file");
  close(folder);
  test::write_file(directory / "empty", "");
  const int empty = open((directory / "empty").c_str(), O_RDONLY);
  ASSERT_GE(empty, 0);
  expect_refused(empty, "refused");
  close(empty);
}

TEST(FileIsCached, JustWrittenThenDropped) {
  test::TempDirectory directory;
  constexpr uint64_t kBytes = 1 << 20;
  test::write_file(directory / "file", test::random_bytes(kBytes, 2));
  const int file = open((directory / "file").c_str(), O_RDONLY);
  ASSERT_GE(file, 0);
  ASSERT_EQ(fsync(file), 0);
  char byte;
  ASSERT_EQ(pread(file, &byte, 1, 0), 1);
  if (!file_is_cached(file, 0, kBytes)) {
    close(file);
    GTEST_SKIP() << "this kernel or file system cannot say what is cached";
  }
  EXPECT_TRUE(file_is_cached(file, 0, 1));
  EXPECT_TRUE(file_is_cached(file, 4095, 2));
  EXPECT_TRUE(file_is_cached(file, kBytes - 1, 1));
  EXPECT_FALSE(file_is_cached(file, kBytes, 4096));  // Past the end.
  EXPECT_FALSE(file_is_cached(file, 0, kBytes + 1));
  EXPECT_FALSE(file_is_cached(file, 0, 0));
  EXPECT_FALSE(file_is_cached(-1, 0, 1));

  // Dropped whole, because kernels drop no part of a large folio.
  ASSERT_EQ(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
  if (file_is_cached(file, 0, kBytes)) {
    close(file);
    GTEST_SKIP() << "this file system keeps its pages";  // tmpfs.
  }
  // One block brought back, at each end and between: that is cached, the file is not.
  ASSERT_EQ(posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM), 0);  // No read-ahead around it.
  for (const uint64_t block : {uint64_t{0}, kBytes / 2, kBytes - 4096}) {
    ASSERT_EQ(pread(file, &byte, 1, static_cast<off_t>(block)), 1);
    EXPECT_TRUE(file_is_cached(file, block, 4096)) << block;
    EXPECT_FALSE(file_is_cached(file, 0, kBytes)) << block;
  }
  close(file);
}

}  // namespace
}  // namespace qload
