#include "runtime/memory/portion_area.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <vector>

namespace qload {
namespace {

using End = PortionArea::End;

TEST(PortionArea, BothEndsByTurns) {
  PortionArea area(10);
  ASSERT_EQ(area.find(6, 4, End::kBottom), 0u);
  area.take(0, 6);
  ASSERT_EQ(area.find(4, 6, End::kTop), 6u);
  area.take(6, 4);
  EXPECT_EQ(area.used_bytes(), 10u);
  EXPECT_FALSE(area.find(6, 4, End::kBottom));
  area.release(0);
  EXPECT_EQ(area.find(6, 4, End::kBottom), 0u);
  EXPECT_FALSE(area.find(7, 0, End::kBottom));
  EXPECT_FALSE(area.find(11, 0, End::kTop));
}

TEST(PortionArea, AGapFarFromTheEndKeepsRoomForTheNext) {
  PortionArea area(10);
  area.take(0, 3);
  EXPECT_EQ(area.find(3, 4, End::kBottom), 3u);
  EXPECT_FALSE(area.find(3, 5, End::kBottom)) << "[6, 10) would not hold the next";
  area.release(0);
  area.take(8, 2);
  EXPECT_EQ(area.find(3, 5, End::kTop), 5u);
  EXPECT_FALSE(area.find(3, 6, End::kTop));
}

// Any sizes, released in order with up to one held: where two neighbours fit the area, the next
// always finds its place once the one before the last is gone.
TEST(PortionArea, TwoNeighboursAlwaysFit) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    std::vector<uint64_t> sizes(3 + random() % 8);
    for (uint64_t& size : sizes) size = 1 + random() % 100;
    uint64_t bytes = 0;
    for (size_t i = 0; i < sizes.size(); ++i) {
      bytes = std::max(bytes, sizes[i] + sizes[(i + 1) % sizes.size()]);
    }
    PortionArea area(bytes + random() % 50);
    std::deque<std::pair<uint64_t, uint64_t>> live;  // Offset, size.
    for (size_t number = 0; number < 100; ++number) {
      const uint64_t size = sizes[number % sizes.size()];
      const uint64_t next = sizes[(number + 1) % sizes.size()];
      const End end = number % 2 == 0 ? End::kBottom : End::kTop;
      std::optional<uint64_t> place = area.find(size, next, end);
      while (!place && live.size() > 1) {
        area.release(live.front().first);
        live.pop_front();
        place = area.find(size, next, end);
      }
      ASSERT_TRUE(place) << "seed " << seed << ", portion " << number;
      ASSERT_LE(*place + size, area.bytes());
      for (const auto& [offset, other] : live) {
        ASSERT_TRUE(*place + size <= offset || offset + other <= *place) << "seed " << seed;
      }
      area.take(*place, size);
      live.emplace_back(*place, size);
    }
  }
}

}  // namespace
}  // namespace qload
