// Blocks of earlier loads: which are kept, and which load gets which.
#include "runtime/memory/destination_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace qload {
namespace {

constexpr uint64_t kMiB = 1u << 20;

DestinationBlock used_block(uint64_t bytes, bool huge_pages = false,
                            Pinning pinning = Pinning::kNever) {
  auto block = DestinationBlock::allocate(bytes, 4096, {}, pinning);
  EXPECT_TRUE(block.ok());
  EXPECT_TRUE(block->fresh_mapping());
  block->mark_used(huge_pages);
  EXPECT_FALSE(block->fresh_mapping());
  return std::move(block).value();
}

DestinationPool::Request want(uint64_t bytes) {
  return {bytes, 4096, Pinning::kNever, HugePages::kAuto};
}

TEST(DestinationPool, GivesTheSameMemoryAgain) {
  DestinationPool pool(8 * kMiB);
  DestinationBlock block = used_block(4 * kMiB);
  std::byte* const data = block.data();
  data[0] = std::byte{7};
  pool.give_back(std::move(block));
  EXPECT_EQ(pool.kept_bytes(), 4 * kMiB);
  auto again = pool.take(want(3 * kMiB + 1));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->data(), data);
  EXPECT_EQ(again->bytes(), 3 * kMiB + 1);
  EXPECT_EQ(again->own_bytes(), 4 * kMiB);
  EXPECT_EQ(again->data()[0], std::byte{7});
  EXPECT_FALSE(again->fresh_mapping()) << "it must not be touched again";
  EXPECT_TRUE(again->reusable());
  EXPECT_EQ(pool.kept_bytes(), 0u);
  EXPECT_FALSE(pool.take(want(kMiB)));
}

TEST(DestinationPool, AHardBudgetTakesNoneThatWasKept) {
  DestinationPool pool(8 * kMiB);
  pool.give_back(used_block(4 * kMiB));
  DestinationPool::Request request = want(4 * kMiB);
  request.source = internal::BlockSource::kFresh;
  EXPECT_FALSE(pool.take(request));
  EXPECT_EQ(pool.kept_bytes(), 4 * kMiB) << "another load may have it";
  EXPECT_TRUE(pool.take(want(4 * kMiB)));
}

TEST(DestinationPool, TakesTheSmallestThatFitsAndIsNotTooLarge) {
  DestinationPool pool(100 * kMiB);
  for (const uint64_t mib : {20, 8, 12, 9}) pool.give_back(used_block(mib * kMiB));
  EXPECT_EQ(pool.take(want(8 * kMiB + 1))->own_bytes(), 9 * kMiB);
  EXPECT_EQ(pool.take(want(8 * kMiB + 1))->own_bytes(), 12 * kMiB);
  EXPECT_FALSE(pool.take(want(8 * kMiB + 1))) << "20 is more than twice as large";
  EXPECT_FALSE(pool.take(want(10 * kMiB - 1)));
  EXPECT_FALSE(pool.take(want(4 * kMiB - 1)));
  EXPECT_EQ(pool.take(want(4 * kMiB))->own_bytes(), 8 * kMiB);
  EXPECT_FALSE(pool.take(want(20 * kMiB + 1)));
  EXPECT_FALSE(pool.take(want(UINT64_MAX)));
  EXPECT_FALSE(pool.take(want(0)));
  EXPECT_EQ(pool.take(want(20 * kMiB))->own_bytes(), 20 * kMiB);
  EXPECT_EQ(pool.kept_bytes(), 0u);
}

TEST(DestinationPool, KeepsToItsSize) {
  DestinationPool nothing(0);
  nothing.give_back(used_block(kMiB));
  EXPECT_EQ(nothing.kept_bytes(), 0u);
  DestinationPool pool(8 * kMiB);
  pool.give_back(used_block(8 * kMiB + 1));
  EXPECT_EQ(pool.kept_bytes(), 0u) << "larger than the pool";
  pool.give_back(used_block(4 * kMiB));
  pool.give_back(used_block(3 * kMiB));
  pool.give_back(used_block(kMiB));
  EXPECT_EQ(pool.kept_bytes(), 8 * kMiB);
  pool.give_back(used_block(2 * kMiB));
  EXPECT_EQ(pool.kept_bytes(), 6 * kMiB) << "the oldest made room";
  EXPECT_FALSE(pool.take(want(4 * kMiB)));
  pool.give_back(used_block(8 * kMiB));
  EXPECT_EQ(pool.kept_bytes(), 8 * kMiB);
  pool.clear();
  EXPECT_EQ(pool.kept_bytes(), 0u);
  DestinationPool endless(UINT64_MAX);
  for (uint64_t i = 1; i <= 20; ++i) endless.give_back(used_block(i * kMiB));
  EXPECT_EQ(endless.kept_bytes(), (20 + 5) * 16 / 2 * kMiB) << "the last sixteen";
}

TEST(DestinationPool, RefusesWhatIsNotAUsedMapping) {
  DestinationPool pool(100 * kMiB);
  pool.give_back({});
  auto fresh = DestinationBlock::allocate(4 * kMiB, 4096, {}, Pinning::kNever);
  pool.give_back(std::move(*fresh));
  auto small = DestinationBlock::allocate(1000, 4096, {}, Pinning::kNever);
  small->mark_used(false);
  pool.give_back(std::move(*small));
  int released = 0;
  Allocator hook;
  hook.allocate = [](void*, size_t bytes, size_t alignment) {
    return std::aligned_alloc(alignment, bytes);
  };
  hook.release = [](void* context, void* block, size_t) {
    ++*static_cast<int*>(context);
    std::free(block);
  };
  hook.context = &released;
  auto foreign = DestinationBlock::allocate(4 * kMiB, 4096, hook, Pinning::kNever);
  foreign->mark_used(false);
  pool.give_back(std::move(*foreign));
  EXPECT_EQ(released, 1) << "a hook's memory goes back to the hook at once";
  EXPECT_EQ(pool.kept_bytes(), 0u);
}

TEST(DestinationPool, PageSizeAndLocksAreKept) {
  DestinationPool pool(100 * kMiB);
  pool.give_back(used_block(4 * kMiB, true));
  auto request = want(4 * kMiB);
  request.huge_pages = HugePages::kNever;
  EXPECT_FALSE(pool.take(request)) << "these pages are huge";
  request.huge_pages = HugePages::kAlways;
  auto huge = pool.take(request);
  ASSERT_TRUE(huge);
  EXPECT_TRUE(huge->huge_pages());

  auto probe = DestinationBlock::allocate(4 * kMiB, 4096, {}, Pinning::kAuto);
  if (probe->pinned_bytes() == 0) GTEST_SKIP() << "nothing may be locked here (ulimit -l)";
  pool.give_back(used_block(4 * kMiB, false, Pinning::kAuto));
  request = want(3 * kMiB);
  request.pinning = Pinning::kRequired;
  auto locked = pool.take(request);
  ASSERT_TRUE(locked);
  EXPECT_EQ(locked->pinned_bytes(), 3 * kMiB);
  pool.give_back(std::move(*locked));
  auto unlocked = pool.take(want(4 * kMiB));
  ASSERT_TRUE(unlocked);
  EXPECT_EQ(unlocked->pinned_bytes(), 0u);
  pool.give_back(std::move(*unlocked));
  request.pinning = Pinning::kAuto;
  EXPECT_EQ(pool.take(request)->pinned_bytes(), 3 * kMiB);
}

// Blocks travel between threads while the pool dies: each is freed once (sanitizers watch).
TEST(DestinationPool, ManyThreadsAndAnEndInBetween) {
  auto pool = std::make_shared<DestinationPool>(6 * kMiB);
  std::vector<std::thread> threads;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    threads.emplace_back([weak = std::weak_ptr(pool), seed] {
      std::mt19937_64 random(seed);
      for (int i = 0; i < 200; ++i) {
        const uint64_t bytes = (1 + random() % 4) * kMiB;
        std::optional<DestinationBlock> block;
        if (const auto alive = weak.lock()) block = alive->take(want(bytes));
        if (!block) block = used_block(bytes);
        block->data()[bytes - 1] = static_cast<std::byte>(seed);
        if (const auto alive = weak.lock()) {
          EXPECT_LE(alive->kept_bytes(), 6 * kMiB);
          alive->give_back(std::move(*block));
        }
      }
    });
  }
  std::this_thread::yield();
  pool.reset();
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace qload
