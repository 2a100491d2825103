// First touch: every page once, by whoever comes first, and nothing changed.
#include "runtime/memory/prefaulter.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "runtime/memory/destination_block.h"
#include "runtime/memory/resident_bytes.h"

namespace qload {
namespace {

constexpr uint64_t kPiece = 2u << 20;

// Whether MADV_POPULATE_WRITE (23; Linux 5.14) works here and mincore can show it: qemu's user mode
// answers both without doing either.
bool kernel_populates() {
  void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  unsigned char before = 1;
  unsigned char after = 0;
  const bool known = mincore(page, 4096, &before) == 0 && madvise(page, 4096, 23) == 0 &&
                     mincore(page, 4096, &after) == 0;
  munmap(page, 4096);
  return known && (before & 1) == 0 && (after & 1) == 1;
}

TEST(Prefaulter, TouchesEverythingAndChangesNothing) {
  for (const HugePages mode : {HugePages::kAuto, HugePages::kNever, HugePages::kAlways}) {
    auto block = DestinationBlock::allocate((70u << 20) + 4097, 4096, {}, Pinning::kNever);
    ASSERT_TRUE(block.ok());
    block->data()[12345] = std::byte{77};
    Prefaulter prefaulter;
    prefaulter.start({block->data(), block->bytes()}, mode);
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        while (prefaulter.touch_next()) {
        }
      });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_FALSE(prefaulter.touch_next());
    if (kernel_populates()) {
      std::vector<unsigned char> resident((block->bytes() + 4095) / 4096);
      ASSERT_EQ(mincore(block->data(), block->bytes(), resident.data()), 0);
      EXPECT_TRUE(std::all_of(resident.begin(), resident.end(), [](auto r) { return r & 1; }));
    }
    EXPECT_EQ(block->data()[12345], std::byte{77});
    EXPECT_EQ(block->data()[block->bytes() - 1], std::byte{0});
    EXPECT_FALSE(mode == HugePages::kNever && prefaulter.huge_pages());
  }
  Prefaulter nothing;
  EXPECT_FALSE(nothing.touch_next());
}

DestinationBlock fresh_block(uint64_t bytes) {
  auto block = DestinationBlock::allocate(bytes, 4096, {}, Pinning::kNever);
  EXPECT_TRUE(block.ok());
  return std::move(block).value();
}

uint64_t resident_in(const DestinationBlock& block, uint64_t offset, uint64_t bytes) {
  return resident_bytes({block.data() + offset, bytes});
}

TEST(Prefaulter, RangesAreTouchedOnceInAnyOrder) {
  if (!kernel_populates()) GTEST_SKIP() << "no MADV_POPULATE_WRITE here";
  const DestinationBlock block = fresh_block(5 * kPiece + 4096);
  Prefaulter prefaulter;
  prefaulter.start({block.data(), block.bytes()}, HugePages::kNever);
  const auto touch = [&](uint64_t offset, uint64_t bytes) {
    return prefaulter.touch_range(block.data() + offset, bytes);
  };
  EXPECT_EQ(touch(0, 0), 0u);
  EXPECT_EQ(resident_in(block, 0, block.bytes()), 0u);
  EXPECT_EQ(touch(3 * kPiece + 5, 1), kPiece);
  EXPECT_EQ(resident_in(block, 3 * kPiece, kPiece), kPiece);
  EXPECT_EQ(resident_in(block, 0, 3 * kPiece), 0u);
  EXPECT_EQ(touch(3 * kPiece, kPiece), 0u);
  EXPECT_EQ(touch(2 * kPiece - 1, 2), 2 * kPiece) << "a range over an edge has two pieces";
  EXPECT_EQ(touch(kPiece, 4 * kPiece), kPiece) << "around pieces that are done";
  EXPECT_EQ(resident_in(block, 0, kPiece), 0u);
  EXPECT_TRUE(prefaulter.touch_next());
  EXPECT_EQ(resident_in(block, 0, 5 * kPiece), 5 * kPiece);
  EXPECT_EQ(resident_in(block, 5 * kPiece, 4096), 0u);
  EXPECT_TRUE(prefaulter.touch_next()) << "the last piece is a short one";
  EXPECT_EQ(resident_in(block, 5 * kPiece, 4096), 4096u);
  EXPECT_FALSE(prefaulter.touch_next());
  EXPECT_EQ(touch(0, block.bytes()), 0u);
}

TEST(Prefaulter, RangesElsewhereAreCutOff) {
  if (!kernel_populates()) GTEST_SKIP() << "no MADV_POPULATE_WRITE here";
  const DestinationBlock block = fresh_block(4 * kPiece);
  Prefaulter prefaulter;
  std::byte* const data = block.data() + kPiece;
  prefaulter.start({data, 2 * kPiece}, HugePages::kNever);
  EXPECT_EQ(prefaulter.touch_range(data - kPiece, kPiece), 0u);
  EXPECT_EQ(prefaulter.touch_range(data + 2 * kPiece, kPiece), 0u);
  EXPECT_EQ(prefaulter.touch_range(nullptr, 10), 0u);
  std::byte elsewhere;
  EXPECT_EQ(prefaulter.touch_range(&elsewhere, 1), 0u);
  EXPECT_EQ(prefaulter.touch_range(data - 1, 2), kPiece);
  EXPECT_EQ(prefaulter.touch_range(data + kPiece, UINT64_MAX / 2), kPiece);
  EXPECT_EQ(resident_in(block, 0, 4 * kPiece), 2 * kPiece);
  Prefaulter nothing;
  EXPECT_EQ(nothing.touch_range(data, 1), 0u);
}

// Decoding threads claim ranges out of order while idle ones go ahead: each piece is counted once,
// and once a range's call has returned its pages are there.
TEST(Prefaulter, ManyThreadsShareThePieces) {
  for (const HugePages mode : {HugePages::kAuto, HugePages::kNever, HugePages::kAlways}) {
    const DestinationBlock block = fresh_block(80u << 20);
    Prefaulter prefaulter;
    prefaulter.start({block.data(), block.bytes()}, mode);
    std::atomic<uint64_t> touched = 0;
    std::atomic<bool> all_there = true;
    const bool populates = kernel_populates();
    std::vector<std::thread> threads;
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      threads.emplace_back([&, seed] {
        std::mt19937_64 random(seed);
        for (int i = 0; i < 200; ++i) {
          const uint64_t bytes = 1 + random() % (3u << 20);
          const uint64_t offset = random() % (block.bytes() - bytes);
          touched += prefaulter.touch_range(block.data() + offset, bytes);
          const uint64_t page = (offset + 4095) / 4096 * 4096;
          if (populates && bytes >= 8192 && resident_in(block, page, 4096) != 4096) {
            all_there = false;
          }
          block.data()[offset] = std::byte{1};
        }
      });
    }
    threads.emplace_back([&] {
      while (prefaulter.touch_next()) {
      }
    });
    for (auto& thread : threads) thread.join();
    EXPECT_TRUE(all_there);
    EXPECT_LE(touched, block.bytes());
    if (populates) {
      EXPECT_EQ(resident_in(block, 0, block.bytes()), block.bytes());
    }
  }
}

TEST(ResidentBytes, CountsWholePages) {
  if (!kernel_populates()) GTEST_SKIP() << "mincore does not tell here";
  const DestinationBlock block = fresh_block(3 * kPiece);
  ASSERT_EQ(madvise(block.data(), block.bytes(), MADV_NOHUGEPAGE), 0);
  EXPECT_EQ(resident_in(block, 0, block.bytes()), 0u);
  block.data()[0] = std::byte{1};
  block.data()[kPiece + 5000] = std::byte{1};
  block.data()[3 * kPiece - 1] = std::byte{1};
  EXPECT_EQ(resident_in(block, 0, block.bytes()), 3 * 4096u);
  EXPECT_EQ(resident_in(block, 1, block.bytes() - 2), 4096u);
  EXPECT_EQ(resident_in(block, 10, 20), 0u);
  EXPECT_EQ(resident_bytes({}), 0u);
}

}  // namespace
}  // namespace qload
