// Rotations: both layouts against the formula, and against each other.
#include "tools/qrun/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

namespace qload::qrun {
namespace {

TEST(Rope, PositionZeroTurnsNothing) {
  std::vector<float> heads{1, 2, 3, 4};
  Rope(RopeLayout::kHalves, 4, 10000).rotate(heads, 0);
  EXPECT_EQ(heads, (std::vector<float>{1, 2, 3, 4}));
}

TEST(Rope, PairsTurnByTheirFrequencies) {
  constexpr uint32_t kSize = 8;
  constexpr uint32_t kPosition = 13;
  std::vector<float> halves(2 * kSize);
  std::iota(halves.begin(), halves.end(), 1.0f);
  const std::vector<float> before = halves;
  // The same pairs, where the other layout has them.
  std::vector<float> interleaved(2 * kSize);
  for (uint32_t head = 0; head < 2; ++head) {
    for (uint32_t i = 0; i < kSize; ++i) {
      interleaved[head * kSize + i] = before[head * kSize + i % 2 * (kSize / 2) + i / 2];
    }
  }
  Rope(RopeLayout::kHalves, kSize, 500).rotate(halves, kPosition);
  Rope(RopeLayout::kInterleaved, kSize, 500).rotate(interleaved, kPosition);
  for (uint32_t head = 0; head < 2; ++head) {
    for (uint32_t i = 0; i < kSize / 2; ++i) {
      const double angle = kPosition * std::pow(500.0, -2.0 * i / kSize);
      const double x = before[head * kSize + i];
      const double y = before[head * kSize + i + kSize / 2];
      const float turned_x = halves[head * kSize + i];
      const float turned_y = halves[head * kSize + i + kSize / 2];
      EXPECT_NEAR(turned_x, x * std::cos(angle) - y * std::sin(angle), 1e-5);
      EXPECT_NEAR(turned_y, x * std::sin(angle) + y * std::cos(angle), 1e-5);
      EXPECT_EQ(interleaved[head * kSize + 2 * i], turned_x);
      EXPECT_EQ(interleaved[head * kSize + 2 * i + 1], turned_y);
    }
  }
}

TEST(Rope, EachPositionHasItsOwnAngles) {
  Rope rope(RopeLayout::kHalves, 2, 10000);
  for (const uint32_t position : {3u, 1u, 1u, 0u}) {
    std::vector<float> heads{1, 0};
    rope.rotate(heads, position);
    EXPECT_NEAR(heads[0], std::cos(position), 1e-6);
    EXPECT_NEAR(heads[1], std::sin(position), 1e-6);
  }
}

}  // namespace
}  // namespace qload::qrun
