// What both read engines promise, on healthy files.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "format/base/checked.h"
#include "tests/support/engine_kinds.h"
#include "tests/support/test_files.h"

namespace qload {
namespace {

using test::AlignedMemory;
using test::read_once;

constexpr uint32_t kFileBytes = (1 << 20) + 777;

class EngineTest : public test::EngineSuite {
 protected:
  void SetUp() override {
    content_ = test::random_bytes(kFileBytes, 11);
    test::write_file(directory_ / "file", content_);
    auto file = File::open(directory_ / "file");
    ASSERT_TRUE(file.ok()) << file.error().message();
    file_ = std::move(file).value();
  }

  bool same(std::span<const std::byte> read, uint64_t offset) const {
    return std::equal(read.begin(), read.end(), content_.begin() + static_cast<long>(offset));
  }

  test::TempDirectory directory_;
  std::vector<std::byte> content_;
  File file_;
};

TEST_P(EngineTest, ReadsOfAnySizeAndPlace) {
  QLOAD_ENGINE(engine);
  ASSERT_TRUE(engine->attach({.buffered = file_.descriptor()}).ok());
  std::vector<std::byte> memory(kFileBytes);
  for (const uint32_t bytes : {1u, 2u, 511u, 4095u, 4096u, 4097u, 65537u, kFileBytes}) {
    for (const uint64_t offset : {uint64_t{0}, uint64_t{1}, uint64_t{kFileBytes - bytes}}) {
      if (offset + bytes > kFileBytes) continue;
      std::fill(memory.begin(), memory.end(), std::byte{0});
      const auto done = read_once(*engine, {.offset = offset,
                                            .data = memory.data(),
                                            .bytes = bytes,
                                            .bytes_required = bytes,
                                            .tag = bytes});
      EXPECT_EQ(done.error_number, 0);
      EXPECT_EQ(done.bytes, bytes);
      EXPECT_TRUE(same(std::span(memory).first(bytes), offset)) << bytes << " at " << offset;
      if (bytes < kFileBytes) {
        EXPECT_EQ(memory[bytes], std::byte{0});
      }
    }
  }
}

TEST_P(EngineTest, EmptyReadSucceeds) {
  QLOAD_ENGINE(engine);
  ASSERT_TRUE(engine->attach({.buffered = file_.descriptor()}).ok());
  std::byte byte{};
  EXPECT_EQ(read_once(*engine, {.data = &byte}).error_number, 0);
  EXPECT_EQ(read_once(*engine, {.offset = kFileBytes + 10, .data = &byte}).error_number, 0);
}

// Reads of random size and place, direct and buffered mixed, the queue always full; every tag comes
// back once, with its own bytes, and `in_flight` tells the truth.
TEST_P(EngineTest, ManyReadsInFlight) {
  constexpr uint32_t kDepth = 16;
  constexpr uint32_t kSlotBytes = 64 * 1024;
  constexpr uint32_t kReadCount = 1000;
  AlignedMemory staging(kDepth * kSlotBytes);
  QLOAD_ENGINE(engine, {.queue_depth = kDepth, .staging = staging.span()});
  ASSERT_EQ(engine->depth(), kDepth);
  auto direct = DirectFile::open(file_.descriptor());
  const uint32_t alignment = direct.ok() ? direct->alignment() : 4096;
  ASSERT_TRUE(engine
                  ->attach({.buffered = file_.descriptor(),
                            .direct = direct.ok() ? direct->descriptor() : -1,
                            .direct_alignment = alignment})
                  .ok());
  std::mt19937 random(3);
  std::vector<Read> reads;
  for (uint32_t tag = 0; tag < kReadCount; ++tag) {
    Read read = {.offset = random() % (kFileBytes - kSlotBytes),
                 .bytes = 1 + static_cast<uint32_t>(random()) % kSlotBytes,
                 .tag = tag,
                 .direct = direct.ok() && random() % 2 == 0};
    if (read.direct) {
      read.offset = align_down(read.offset, alignment);
      read.bytes = static_cast<uint32_t>(align_down(read.bytes - 1, alignment) + alignment);
    }
    read.bytes_required = read.bytes;
    reads.push_back(read);
  }
  std::vector<uint32_t> free_slots;
  for (uint32_t slot = 0; slot < kDepth; ++slot) free_slots.push_back(slot);
  std::vector<uint32_t> slot_of(kReadCount);
  std::set<uint32_t> seen;
  uint32_t next = 0;
  while (seen.size() < kReadCount) {
    while (next < kReadCount && engine->in_flight() < kDepth) {
      slot_of[next] = free_slots.back();
      free_slots.pop_back();
      reads[next].data = staging.data() + slot_of[next] * kSlotBytes;
      engine->submit(reads[next++]);
    }
    ASSERT_EQ(engine->in_flight(), next - seen.size());
    Completion done[3];  // Fewer than may be ready.
    const size_t count = engine->wait(done);
    ASSERT_GE(count, 1u);
    ASSERT_LE(count, 3u);
    for (const Completion& one : std::span(done).first(count)) {
      ASSERT_LT(one.tag, kReadCount);
      const Read& read = reads[one.tag];
      EXPECT_TRUE(seen.insert(one.tag).second) << one.tag << " came back twice";
      EXPECT_EQ(one.error_number, 0);
      EXPECT_EQ(one.bytes, read.bytes);
      EXPECT_TRUE(same({read.data, read.bytes}, read.offset)) << one.tag;
      free_slots.push_back(slot_of[one.tag]);
    }
  }
  EXPECT_EQ(engine->in_flight(), 0u);
}

TEST_P(EngineTest, MemoryInsideAcrossAndOutsideStaging) {
  AlignedMemory memory(3 * 65536);
  QLOAD_ENGINE(engine, {.queue_depth = 4, .staging = memory.span().subspan(65536, 65536)});
  ASSERT_TRUE(engine->attach({.buffered = file_.descriptor()}).ok());
  for (const size_t at : {0, 65535, 65536, 65537, 100000, 131071, 131072}) {
    const auto done = read_once(
        *engine,
        {.offset = at, .data = memory.data() + at, .bytes = 65536, .bytes_required = 65536});
    EXPECT_EQ(done.error_number, 0);
    EXPECT_TRUE(same(memory.span().subspan(at, 65536), at)) << at;
  }
}

TEST_P(EngineTest, AttachesAnotherFileAndNone) {
  const auto other = test::random_bytes(5000, 12);
  test::write_file(directory_ / "other", other);
  auto other_file = File::open(directory_ / "other");
  ASSERT_TRUE(other_file.ok());
  QLOAD_ENGINE(engine, {.queue_depth = 1});
  std::vector<std::byte> memory(5000);
  const Read read = {.data = memory.data(), .bytes = 5000, .bytes_required = 5000};
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(engine->attach({.buffered = file_.descriptor()}).ok());
    EXPECT_EQ(read_once(*engine, read).error_number, 0);
    EXPECT_TRUE(same(memory, 0));
    ASSERT_TRUE(engine->attach({.buffered = other_file->descriptor()}).ok());
    EXPECT_EQ(read_once(*engine, read).error_number, 0);
    EXPECT_EQ(memory, other);
    ASSERT_TRUE(engine->attach({}).ok());
    EXPECT_EQ(read_once(*engine, read).error_number, EBADF);
  }
}

TEST_P(EngineTest, SlotsReadFilesOfTheirOwn) {
  const auto other = test::random_bytes(5000, 12);
  test::write_file(directory_ / "other", other);
  auto other_file = File::open(directory_ / "other");
  ASSERT_TRUE(other_file.ok());
  QLOAD_ENGINE(engine, {.queue_depth = 8});
  ASSERT_TRUE(engine->attach_at(0, {.buffered = file_.descriptor()}).ok());
  ASSERT_TRUE(engine->attach_at(kFileSlots - 1, {.buffered = other_file->descriptor()}).ok());
  std::vector<std::byte> first(5000);
  std::vector<std::byte> last(5000);
  engine->submit({.data = first.data(), .bytes = 5000, .bytes_required = 5000});
  // One slot's file changes while the other's is read.
  ASSERT_TRUE(engine->attach_at(3, {.buffered = other_file->descriptor()}).ok());
  ASSERT_TRUE(engine->attach_at(3, {}).ok());
  engine->submit(
      {.data = last.data(), .bytes = 5000, .bytes_required = 5000, .file = kFileSlots - 1});
  std::array<Completion, 8> done;
  while (engine->in_flight() > 0) {
    const size_t count = engine->wait(done);
    for (size_t i = 0; i < count; ++i) EXPECT_EQ(done[i].error_number, 0);
  }
  EXPECT_TRUE(same(first, 0));
  EXPECT_EQ(last, other);
}

// A read that cannot end until a writer comes keeps wait() blocked; wake() ends it. Only io_uring
// reads a pipe: pread answers ESPIPE.
TEST_P(EngineTest, WakeEndsAWait) {
  QLOAD_ENGINE(engine, {.queue_depth = 2});
  std::array<int, 2> ends;
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  std::vector<std::byte> memory(16);
  std::array<Completion, 2> done;
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(engine->attach({.buffered = ends[0]}).ok());
    engine->submit({.data = memory.data(), .bytes = 16, .bytes_required = 16});
    if (GetParam() == test::EngineKind::kUring) {
      engine->wake();  // Before the wait,
      EXPECT_EQ(engine->wait(done), 0u);
      std::thread other([&] { engine->wake(); });  // and during it.
      EXPECT_EQ(engine->wait(done), 0u);
      other.join();
      ASSERT_EQ(write(ends[1], "0123456789abcdef", 16), 16);
    }
    while (engine->in_flight() > 0) engine->wait(done);
    EXPECT_EQ(done[0].error_number, GetParam() == test::EngineKind::kUring ? 0 : ESPIPE);
    engine->wake();  // With nothing in flight: the next wait may return early.
    ASSERT_TRUE(engine->attach({.buffered = file_.descriptor()}).ok());
    engine->submit({.data = memory.data(), .bytes = 16, .bytes_required = 16});
    while (engine->in_flight() > 0) engine->wait(done);
    EXPECT_TRUE(same(memory, 0));
  }
  close(ends[0]);
  close(ends[1]);
}

// Memory is the caller's again after the engine is gone: no read may still write to it. Large
// direct reads, where the file system has them, because they take a while.
TEST_P(EngineTest, DestroyedWithReadsInFlight) {
  constexpr uint32_t kReadBytes = 1 << 20;
  constexpr uint32_t kReadCount = 32;
  auto direct = DirectFile::open(file_.descriptor());
  AlignedMemory memory(kReadCount * kReadBytes);
  QLOAD_ENGINE(engine, {.queue_depth = kReadCount});
  ASSERT_TRUE(engine
                  ->attach({.buffered = file_.descriptor(),
                            .direct = direct.ok() ? direct->descriptor() : -1})
                  .ok());
  for (uint32_t tag = 0; tag < kReadCount; ++tag) {
    engine->submit({.data = memory.data() + tag * kReadBytes,
                    .bytes = kReadBytes,
                    .bytes_required = kReadBytes,
                    .tag = tag,
                    .direct = direct.ok()});
  }
  Completion done[1];
  EXPECT_EQ(engine->wait(done), 1u);
  EXPECT_EQ(engine->in_flight(), kReadCount - 1);
  engine.reset();
  std::memset(memory.data(), 0xee, memory.span().size());
  std::this_thread::sleep_for(std::chrono::milliseconds(5));  // Chance for a late write.
  const std::vector<std::byte> untouched(kReadBytes, std::byte{0xee});
  for (uint32_t tag = 0; tag < kReadCount; ++tag) {
    EXPECT_EQ(std::memcmp(memory.data() + tag * kReadBytes, untouched.data(), kReadBytes), 0);
  }
}

TEST_P(EngineTest, QueueDepthIsBounded) {
  for (const uint32_t depth : {0u, 4097u, ~0u}) {
    auto engine = test::make_engine(GetParam(), {.queue_depth = depth});
    ASSERT_FALSE(engine.ok());
    EXPECT_EQ(engine.error().code(), ErrorCode::kInvalidArgument);
  }
  QLOAD_ENGINE(engine, {.queue_depth = 4096});
  EXPECT_EQ(engine->depth(), 4096u);
}

TEST(PreadEngine, NeedsAThread) {
  auto engine = make_pread_engine({}, 0);
  ASSERT_FALSE(engine.ok());
  EXPECT_EQ(engine.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(make_pread_engine({.queue_depth = 2}, 1000).ok());  // No more threads than depth.
}

QLOAD_BOTH_ENGINES(EngineTest);

}  // namespace
}  // namespace qload
