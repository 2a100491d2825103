// Package-merge against every code there is, and against what any code must be.
#include "format/codec/lane_huffman/length_limited.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

namespace qload {
namespace {

std::vector<uint8_t> lengths_of(std::span<const uint64_t> weights, uint32_t length_max) {
  std::vector<uint8_t> lengths(weights.size(), 99);
  make_length_limited_code(weights, length_max, lengths);
  return lengths;
}

uint64_t cost_of(std::span<const uint64_t> weights, std::span<const uint8_t> lengths) {
  uint64_t cost = 0;
  for (size_t i = 0; i < weights.size(); ++i) cost += weights[i] * lengths[i];
  return cost;
}

/// The cheapest of all ways to give items from `at` on lengths that take `space` of 2^length_max.
uint64_t cheapest(std::span<const uint64_t> weights, uint32_t length_max, size_t at,
                  uint32_t space) {
  if (at == weights.size()) return space == 0 ? 0 : std::numeric_limits<uint64_t>::max() / 2;
  uint64_t best = std::numeric_limits<uint64_t>::max() / 2;
  for (uint32_t length = 1; length <= length_max; ++length) {
    const uint32_t share = 1u << (length_max - length);
    if (share > space) continue;
    best =
        std::min(best, weights[at] * length + cheapest(weights, length_max, at + 1, space - share));
  }
  return best;
}

TEST(LengthLimited, IsAsCheapAsTheBestOfAllCodes) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 300; ++round) {
    const uint32_t length_max = 3 + static_cast<uint32_t>(random() % 2);
    std::vector<uint64_t> weights(2 + random() % 5);
    for (uint64_t& weight : weights) weight = random() % 3 == 0 ? random() % 4 : random() % 1000;
    const auto lengths = lengths_of(weights, length_max);
    ASSERT_EQ(cost_of(weights, lengths), cheapest(weights, length_max, 0, 1u << length_max));
  }
}

TEST(LengthLimited, IsCompleteAndOrderedByWeight) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 2000; ++round) {
    const uint32_t length_max = 1 + static_cast<uint32_t>(random() % 8);
    std::vector<uint64_t> weights(1 + random() % (size_t{1} << length_max));
    const uint32_t shift = static_cast<uint32_t>(24 + random() % 39);
    for (uint64_t& weight : weights) weight = random() >> shift >> random() % 20;
    const auto lengths = lengths_of(weights, length_max);
    if (weights.size() == 1) {
      ASSERT_EQ(lengths[0], 0);
      continue;
    }
    uint32_t sum = 0;
    for (uint8_t length : lengths) {
      ASSERT_GE(length, 1);
      ASSERT_LE(length, length_max);
      sum += 256u >> length;
    }
    ASSERT_EQ(sum, 256u);
    for (size_t a = 0; a + 1 < weights.size(); ++a) {
      for (size_t b = a + 1; b < weights.size(); ++b) {
        // The lighter is no shorter, and among equals the lower.
        const bool a_is_longer = weights[a] <= weights[b];
        ASSERT_TRUE(a_is_longer ? lengths[a] >= lengths[b] : lengths[a] <= lengths[b]);
      }
    }
    ASSERT_EQ(lengths, lengths_of(weights, length_max));
  }
}

TEST(LengthLimited, Edges) {
  EXPECT_EQ(lengths_of(std::vector<uint64_t>{7}, 8), (std::vector<uint8_t>{0}));
  EXPECT_EQ(lengths_of(std::vector<uint64_t>{0}, 1), (std::vector<uint8_t>{0}));
  EXPECT_EQ(lengths_of(std::vector<uint64_t>{1, 1'000'000}, 8), (std::vector<uint8_t>{1, 1}));
  EXPECT_EQ(lengths_of(std::vector<uint64_t>(2, 0), 1), (std::vector<uint8_t>{1, 1}));
  EXPECT_EQ(lengths_of(std::vector<uint64_t>(256, 0), 8), std::vector<uint8_t>(256, 8));
  std::vector<uint64_t> steep(256);
  for (size_t i = 0; i < steep.size(); ++i) steep[i] = i < 30 ? uint64_t{1} << i : 0;
  EXPECT_EQ(lengths_of(steep, 8), std::vector<uint8_t>(256, 8)) << "no room for anything else";
  // Fibonacci's weights: unlimited Huffman would go down to 9 bits.
  const std::vector<uint64_t> fibonacci = {1, 1, 2, 3, 5, 8, 13, 21, 34, 55};
  EXPECT_EQ(cost_of(fibonacci, lengths_of(fibonacci, 4)), cheapest(fibonacci, 4, 0, 16));
}

}  // namespace
}  // namespace qload
