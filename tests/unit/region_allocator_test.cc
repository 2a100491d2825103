#include "runtime/memory/region_allocator.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace qload {
namespace {

TEST(RegionAllocatorTest, TheLowestThatFits) {
  auto regions = RegionAllocator::create(1000, 64);
  EXPECT_EQ(regions.bytes(), 960u);
  EXPECT_EQ(regions.allocate(1, 1), 0u);
  EXPECT_EQ(regions.allocate(64, 1), 64u);
  EXPECT_EQ(regions.allocate(65, 1), 128u);
  EXPECT_EQ(regions.used_bytes(), 256u);
  EXPECT_EQ(regions.largest_free(), 704u);
  regions.free(64);
  EXPECT_EQ(regions.allocate(65, 1), 256u) << "128 bytes do not fit in the hole of 64";
  EXPECT_EQ(regions.allocate(64, 1), 64u);
  EXPECT_FALSE(regions.allocate(577, 1).has_value());
  EXPECT_EQ(regions.allocate(576, 1), 384u);
  EXPECT_EQ(regions.largest_free(), 0u);
  EXPECT_EQ(regions.used_bytes(), regions.bytes());
  EXPECT_FALSE(regions.allocate(1, 1).has_value());
}

TEST(RegionAllocatorTest, AlignmentLeavesHolesThatOthersUse) {
  auto regions = RegionAllocator::create(16384, 64);
  EXPECT_EQ(regions.allocate(64, 4096), 0u);
  EXPECT_EQ(regions.allocate(4096, 4096), 4096u);
  EXPECT_EQ(regions.allocate(100, 64), 64u);
  EXPECT_EQ(regions.allocate(8192, 8192), 8192u);
  EXPECT_FALSE(regions.allocate(4096, 1).has_value());
  EXPECT_EQ(regions.largest_free(), 4096u - 192);
}

TEST(RegionAllocatorTest, NeighboursJoinOnEitherSide) {
  for (const auto& order : {std::vector<uint64_t>{0, 64, 128}, {128, 64, 0}, {0, 128, 64}}) {
    auto regions = RegionAllocator::create(256, 64);
    for (int i = 0; i < 4; ++i) ASSERT_TRUE(regions.allocate(64, 1).has_value());
    for (const uint64_t offset : order) regions.free(offset);
    EXPECT_EQ(regions.largest_free(), 192u);
    EXPECT_EQ(regions.allocate(192, 1), 0u);
  }
}

TEST(RegionAllocatorTest, FragmentsHoldTheSumAndNotTheWhole) {
  auto regions = RegionAllocator::create(6 * 64, 64);
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(regions.allocate(64, 1).has_value());
  for (const uint64_t offset : {0u, 128u, 256u}) regions.free(offset);
  EXPECT_EQ(regions.bytes() - regions.used_bytes(), 192u);
  EXPECT_EQ(regions.largest_free(), 64u);
  EXPECT_FALSE(regions.allocate(128, 1).has_value());
  regions.free(64);
  EXPECT_EQ(regions.allocate(192, 1), 0u);
}

TEST(RegionAllocatorTest, NothingAndTooMuch) {
  auto regions = RegionAllocator::create(63, 64);
  EXPECT_EQ(regions.bytes(), 0u);
  EXPECT_FALSE(regions.allocate(1, 1).has_value());
  regions = RegionAllocator::create(64, 64);
  EXPECT_FALSE(regions.allocate(UINT64_MAX, 1).has_value());
  EXPECT_FALSE(regions.allocate(UINT64_MAX - 63, uint64_t{1} << 63).has_value());
  EXPECT_EQ(regions.allocate(64, uint64_t{1} << 63), 0u);
}

TEST(RegionAllocatorTest, RandomRegionsNeverOverlap) {
  constexpr uint64_t kSeed = 4711;
  std::mt19937_64 random(kSeed);
  auto regions = RegionAllocator::create(1u << 16, 64);
  std::map<uint64_t, uint64_t> taken;
  uint64_t refused = 0;
  for (int step = 0; step < 20000; ++step) {
    if (random() % 2 == 0 && !taken.empty()) {
      auto victim = taken.begin();
      std::advance(victim, random() % taken.size());
      regions.free(victim->first);
      taken.erase(victim);
    } else {
      const uint64_t bytes = 1 + random() % 5000;
      const uint64_t alignment = uint64_t{1} << random() % 13;
      const uint64_t largest = regions.largest_free();
      const auto offset = regions.allocate(bytes, alignment);
      if (alignment <= 64) {
        EXPECT_EQ(offset.has_value(), regions.rounded(bytes) <= largest);
      }
      if (!offset) {
        ++refused;
        continue;
      }
      EXPECT_EQ(*offset % std::max<uint64_t>(alignment, 64), 0u);
      EXPECT_LE(*offset + bytes, regions.bytes());
      const auto next = taken.lower_bound(*offset);
      EXPECT_TRUE(next == taken.end() || *offset + bytes <= next->first);
      EXPECT_TRUE(next == taken.begin() ||
                  std::prev(next)->first + std::prev(next)->second <= *offset);
      taken[*offset] = bytes;
    }
    uint64_t sum = 0;
    for (const auto& [offset, bytes] : taken) sum += regions.rounded(bytes);
    ASSERT_EQ(regions.used_bytes(), sum) << "seed " << kSeed << " step " << step;
  }
  EXPECT_GT(refused, 100u);
  for (const auto& [offset, bytes] : taken) regions.free(offset);
  EXPECT_EQ(regions.largest_free(), regions.bytes()) << "all pieces have joined";
}

}  // namespace
}  // namespace qload
