#include "runtime/memory/staging_area.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "tests/support/counting_hook.h"

namespace qload {
namespace {

using test::CountingHook;

constexpr uint64_t kGranule = StagingArea::kGranuleBytes;

TEST(StagingArea, GivesOutTheLowestRoomAndCountsUsers) {
  StagingArea area;
  ASSERT_TRUE(area.allocate(1u << 20, {}).ok());
  EXPECT_EQ(area.region_bytes_max(), 1u << 20);
  const int me = 0;
  const auto first = area.acquire(1, &me);
  const auto second = area.acquire(kGranule + 1, &me);
  const auto third = area.acquire(13 * kGranule, &me);
  ASSERT_TRUE(first && second && third);
  EXPECT_EQ(*first, 0u);
  EXPECT_EQ(*second, 1u);
  EXPECT_EQ(*third, 3u);
  EXPECT_EQ(area.data(*second), area.memory().data() + kGranule);
  EXPECT_FALSE(area.acquire(1, &me));
  area.add_user(*second);
  area.release(*second);
  EXPECT_FALSE(area.acquire(1, &me));
  area.release(*second);
  EXPECT_FALSE(area.acquire(3 * kGranule, &me));
  EXPECT_EQ(area.acquire(2 * kGranule, &me), second);
}

TEST(StagingArea, AWholeAreaIsOneRegion) {
  StagingArea area;
  ASSERT_TRUE(area.allocate((1u << 20) + 100, {}).ok());
  EXPECT_EQ(area.region_bytes_max(), 1u << 20);
  const int me = 0;
  const auto all = area.acquire(area.region_bytes_max(), &me);
  ASSERT_TRUE(all);
  EXPECT_FALSE(area.acquire(1, &me));
  area.release(*all);
  EXPECT_TRUE(area.acquire(area.region_bytes_max(), &me));
}

// Who was refused is next, however little others want; when it has got its room, or gave up, all
// are told.
TEST(StagingArea, WhoWasRefusedIsNext) {
  StagingArea area;
  ASSERT_TRUE(area.allocate(4 * kGranule * 4, {}).ok());
  int announced = 0;
  area.set_listener([&] { ++announced; });
  const int large = 0;
  const int small = 0;
  const auto held = area.acquire(10 * kGranule, &small);
  ASSERT_TRUE(held);
  EXPECT_FALSE(area.acquire(16 * kGranule, &large));
  EXPECT_FALSE(area.acquire(1, &small));
  EXPECT_EQ(announced, 0);
  area.release(*held);
  EXPECT_EQ(announced, 1);
  EXPECT_FALSE(area.acquire(1, &small));
  const auto all = area.acquire(16 * kGranule, &large);
  ASSERT_TRUE(all);
  EXPECT_EQ(announced, 2);
  EXPECT_FALSE(area.acquire(1, &small));
  area.give_up(&large);  // Not the one that waits: nothing happens.
  EXPECT_EQ(announced, 2);
  area.give_up(&small);
  EXPECT_EQ(announced, 3);
  area.release(*all);
  EXPECT_EQ(announced, 3);  // Nobody waits.
}

// Regions never overlap, whatever threads do.
TEST(StagingArea, RegionsOfManyThreadsNeverOverlap) {
  StagingArea area;
  ASSERT_TRUE(area.allocate(64 * kGranule, {}).ok());
  std::vector<std::atomic<int>> owners(64);
  std::atomic<int> overlaps = 0;
  std::atomic<int> given = 0;
  std::vector<std::thread> threads;
  for (uint32_t number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      std::mt19937 generator(4711 + number);
      const int me = 0;
      for (int round = 0; round < 2000; ++round) {
        const auto count = static_cast<uint32_t>(1 + generator() % 20);
        const auto region = area.acquire(count * kGranule, &me);
        if (!region) continue;
        ++given;
        for (uint32_t i = 0; i < count; ++i) overlaps += owners[*region + i].fetch_add(1) != 0;
        for (uint32_t i = 0; i < count; ++i) owners[*region + i].fetch_sub(1);
        area.release(*region);
      }
      area.give_up(&me);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(overlaps, 0);
  EXPECT_GT(given, 2000);
  const int me = 0;
  EXPECT_TRUE(area.acquire(64 * kGranule, &me));
}

TEST(StagingArea, ReturnsHookMemory) {
  CountingHook hook;
  {
    StagingArea area;
    ASSERT_TRUE(area.allocate(1u << 20, hook.allocator()).ok());
  }
  EXPECT_EQ(hook.released, 1u << 20);
  hook.refuse = true;
  StagingArea area;
  EXPECT_EQ(area.allocate(1u << 20, hook.allocator()).error().code(), ErrorCode::kOutOfMemory);
}

TEST(StagingArea, ChecksHookMemory) {
  CountingHook hook;
  StagingArea area;
  EXPECT_EQ(area.allocate(1u << 20, hook.allocator(kPinned)).error().code(),
            ErrorCode::kUnsupported);
  hook.shift = 512;
  EXPECT_EQ(area.allocate(1u << 20, hook.allocator()).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(hook.allocated, hook.released);
  hook.shift = 0;
  ASSERT_TRUE(area.allocate(1u << 20, hook.allocator(kCpuWritable | kNoDirectIo)).ok());
  EXPECT_FALSE(area.direct_allowed());
}

}  // namespace
}  // namespace qload
