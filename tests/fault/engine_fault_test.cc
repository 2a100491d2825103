// Read engines against files and descriptors that do not deliver.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "tests/support/engine_kinds.h"
#include "tests/support/test_files.h"

namespace qload {
namespace {

using test::AlignedMemory;
using test::read_once;

class EngineFaultTest : public test::EngineSuite {
 protected:
  int open_file(std::string_view name, size_t bytes) {
    content_ = test::random_bytes(bytes, 21);
    test::write_file(directory_ / name, content_);
    descriptor_ = open((directory_ / name).c_str(), O_RDONLY | O_CLOEXEC);
    EXPECT_GE(descriptor_, 0);
    return descriptor_;
  }
  void TearDown() override {
    if (descriptor_ >= 0) close(descriptor_);
  }

  test::TempDirectory directory_;
  std::vector<std::byte> content_;
  int descriptor_ = -1;
};

// A file that ends at each position around the one a read needs.
TEST_P(EngineFaultTest, FileEndsEarly) {
  AlignedMemory memory(65536);
  for (const size_t file_bytes : {0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 16384}) {
    QLOAD_ENGINE(engine);
    const int file = open_file("file", file_bytes);
    auto direct = DirectFile::open(file);
    ASSERT_TRUE(engine
                    ->attach({.buffered = file,
                              .direct = direct.ok() ? direct->descriptor() : -1,
                              .direct_alignment = direct.ok() ? direct->alignment() : 4096})
                    .ok());
    for (const bool through_direct : {false, true}) {
      if (through_direct && !direct.ok()) continue;
      for (const uint32_t required : {0u, 1u, 4095u, 4096u, 4097u, 8191u, 8192u, 8193u, 12288u}) {
        const auto done = read_once(*engine, {.data = memory.data(),
                                              .bytes = 12288,
                                              .bytes_required = required,
                                              .direct = through_direct});
        const size_t there = std::min<size_t>(file_bytes, 12288);
        EXPECT_EQ(done.bytes, there);
        EXPECT_EQ(done.error_number, required <= there ? 0 : ENODATA)
            << file_bytes << " bytes, " << required << " required, direct " << through_direct;
        EXPECT_TRUE(std::equal(content_.begin(), content_.begin() + static_cast<long>(there),
                               memory.data()));
      }
    }
    close(file);
    descriptor_ = -1;
  }
}

TEST_P(EngineFaultTest, StartsPastTheEnd) {
  QLOAD_ENGINE(engine);
  ASSERT_TRUE(engine->attach({.buffered = open_file("file", 5000)}).ok());
  AlignedMemory memory(4096);
  for (const uint64_t offset : {uint64_t{5000}, uint64_t{1} << 40}) {
    const auto done = read_once(
        *engine, {.offset = offset, .data = memory.data(), .bytes = 10, .bytes_required = 10});
    EXPECT_EQ(done.error_number, ENODATA);
    EXPECT_EQ(done.bytes, 0u);
  }
}

TEST_P(EngineFaultTest, OffsetsBeyondAnyFile) {
  QLOAD_ENGINE(engine);
  ASSERT_TRUE(engine->attach({.buffered = open_file("file", 5000)}).ok());
  AlignedMemory memory(4096);
  for (const uint64_t offset : {std::numeric_limits<uint64_t>::max(), uint64_t{1} << 63}) {
    const auto done = read_once(
        *engine, {.offset = offset, .data = memory.data(), .bytes = 10, .bytes_required = 10});
    EXPECT_EQ(done.error_number, EINVAL);
  }
}

// The truncated file grows again between reads: each read stands for itself.
TEST_P(EngineFaultTest, TruncatedWhileReading) {
  QLOAD_ENGINE(engine);
  ASSERT_TRUE(engine->attach({.buffered = open_file("file", 10000)}).ok());
  AlignedMemory memory(16384);
  const Read read = {.data = memory.data(), .bytes = 10000, .bytes_required = 10000};
  EXPECT_EQ(read_once(*engine, read).error_number, 0);
  ASSERT_EQ(truncate((directory_ / "file").c_str(), 9999), 0);
  EXPECT_EQ(read_once(*engine, read).error_number, ENODATA);
  ASSERT_EQ(truncate((directory_ / "file").c_str(), 10000), 0);
  EXPECT_EQ(read_once(*engine, read).error_number, 0);
}

TEST_P(EngineFaultTest, BadDescriptors) {
  QLOAD_ENGINE(engine);
  AlignedMemory memory(4096);
  const Read read = {.data = memory.data(), .bytes = 4096, .bytes_required = 1};
  // Never open, open for writing only, a directory.
  const int closed = dup(0);
  close(closed);
  ASSERT_TRUE(engine->attach({.buffered = closed}).ok());
  EXPECT_EQ(read_once(*engine, read).error_number, EBADF);

  open_file("file", 5000);
  const int write_only = open((directory_ / "file").c_str(), O_WRONLY);
  ASSERT_TRUE(engine->attach({.buffered = write_only}).ok());
  EXPECT_EQ(read_once(*engine, read).error_number, EBADF);
  close(write_only);

  const int folder = open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY);
  ASSERT_TRUE(engine->attach({.buffered = folder}).ok());
  EXPECT_EQ(read_once(*engine, read).error_number, EISDIR);
  close(folder);

  ASSERT_TRUE(engine->attach({.buffered = descriptor_}).ok());
  EXPECT_EQ(
      read_once(*engine, {.data = memory.data(), .bytes = 1, .bytes_required = 1, .direct = true})
          .error_number,
      EBADF);
  EXPECT_EQ(read_once(*engine, read).error_number, 0);  // The engine itself is well.
}

TEST_P(EngineFaultTest, MemoryThatIsNotThere) {
  QLOAD_ENGINE(engine);
  ASSERT_TRUE(engine->attach({.buffered = open_file("file", 5000)}).ok());
  auto* nowhere = reinterpret_cast<std::byte*>(uintptr_t{4096});
  const auto done = read_once(*engine, {.data = nowhere, .bytes = 4096, .bytes_required = 4096});
  EXPECT_EQ(done.error_number, EFAULT);
}

TEST_P(EngineFaultTest, UnalignedDirectRead) {
  QLOAD_ENGINE(engine);
  const int file = open_file("file", 100'000);
  auto direct = DirectFile::open(file);
  if (!direct.ok()) GTEST_SKIP() << direct.error().message();
  ASSERT_TRUE(engine
                  ->attach({.buffered = file,
                            .direct = direct->descriptor(),
                            .direct_alignment = direct->alignment()})
                  .ok());
  AlignedMemory memory(65536);
  const auto done = read_once(
      *engine,
      {.offset = 1, .data = memory.data(), .bytes = 4096, .bytes_required = 4096, .direct = true});
  if (done.error_number == 0) GTEST_SKIP() << "this file system aligns direct reads itself";
  EXPECT_EQ(done.error_number, EINVAL);
  EXPECT_EQ(read_once(*engine, {.offset = 4096,
                                .data = memory.data(),
                                .bytes = 4096,
                                .bytes_required = 4096,
                                .direct = true})
                .error_number,
            0);
}

// Failed and healthy reads in flight together: each comes back with its own fate.
TEST_P(EngineFaultTest, MixedFates) {
  QLOAD_ENGINE(engine, {.queue_depth = 8});
  ASSERT_TRUE(engine->attach({.buffered = open_file("file", 8192)}).ok());
  AlignedMemory memory(8 * 4096);
  const auto expected = [](uint32_t tag) {
    return tag % 4 == 1 ? ENODATA : tag % 4 == 3 ? EINVAL : tag % 4 == 2 ? EBADF : 0;
  };
  uint32_t seen = 0;
  for (uint32_t tag = 0; tag < 8; ++tag) {
    engine->submit({.offset = tag % 4 == 1   ? 8192u
                              : tag % 4 == 3 ? ~uint64_t{0}
                                             : 0u,
                    .data = memory.data() + tag * 4096,
                    .bytes = 4096,
                    .bytes_required = 4096,
                    .tag = tag,
                    .direct = tag % 4 == 2});
  }
  while (engine->in_flight() > 0) {
    Completion done[8];
    for (const Completion& one : std::span(done).first(engine->wait(done))) {
      EXPECT_EQ(one.error_number, expected(one.tag)) << one.tag;
      seen |= 1u << one.tag;
    }
  }
  EXPECT_EQ(seen, 0xffu);
}

QLOAD_BOTH_ENGINES(EngineFaultTest);

}  // namespace
}  // namespace qload
