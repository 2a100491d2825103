// The chosen code: complete, as cheap as it says, near the entropy, and decoded by cells where
// weights look like weights.
#include "format/codec/lane_huffman/choose_lane_code.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <queue>
#include <vector>

#include "tests/support/lane_planes.h"
#include "tests/support/test_files.h"

namespace qload {
namespace {

/// Recomputes what the code takes, and holds it to the format's rules.
void expect_sound(const ByteCounts& counts, const ChosenLaneCode& chosen, uint32_t symbol_count) {
  const LaneCode& code = chosen.code;
  ASSERT_LE(code.raw_bits, kRawBitsMax);
  ASSERT_EQ(code.symbol_count, symbol_count >> code.raw_bits);
  ASSERT_LT(code.first_symbol, code.symbol_count);
  ASSERT_GE(code.span, 1u);
  ASSERT_LE(code.span, code.symbol_count);
  ASSERT_LE(code.escape_length, kCodeBitsMax);
  ASSERT_TRUE(check_lane_code(code).ok());
  uint32_t in_list = 0;
  for (uint32_t place = 0; place < code.span; ++place) {
    ASSERT_LE(code.length[code.symbol_at(place)], kCodeBitsMax);
    in_list += code.length[code.symbol_at(place)] != 0;
  }
  const auto with_code = 256 - std::ranges::count(code.length, 0);
  ASSERT_EQ(in_list, static_cast<uint32_t>(with_code)) << "a code outside the list";
  if (!code.lone()) {
    ASSERT_NE(code.length[code.symbol_at(0)], 0) << "the list is longer than it need be";
    ASSERT_NE(code.length[code.symbol_at(code.span - 1)], 0);
  }
  uint64_t bits = 0;
  ByteCounts escaped = {};
  for (uint32_t byte = 0; byte < symbol_count; ++byte) {
    const uint32_t symbol = byte >> code.raw_bits;
    uint64_t length = code.length[symbol];
    if (length == 0 && code.lone()) {
      ASSERT_TRUE(counts[byte] == 0 || symbol == code.first_symbol);
    } else if (length == 0) {
      ASSERT_TRUE(counts[byte] == 0 || code.escape_length > 0) << "no way to write " << byte;
      length = code.escape_length;
      escaped[byte] = counts[byte];
    }
    bits += counts[byte] * (length + code.raw_bits);
  }
  // The list of escaped bytes is estimated: as it is, or coded to no less than its entropy.
  uint64_t escaped_count = 0;
  for (uint32_t count : escaped) escaped_count += count;
  ASSERT_LE(chosen.bits, bits + 8 * escaped_count);
  ASSERT_GE(chosen.bits + 1, bits + std::min(8 * escaped_count, order_0_bits(escaped)));
}

bool decodes_by_cells(const LaneCode& code) {
  LaneTable table;
  make_decode_table(code, 1, table);
  return table.cells;
}

bool same_code(const LaneCode& a, const LaneCode& b) {
  return a.raw_bits == b.raw_bits && a.first_symbol == b.first_symbol && a.span == b.span &&
         a.length == b.length && a.escape_length == b.escape_length;
}

TEST(ChooseLaneCode, IsSoundForPlanesOfEveryKind) {
  std::mt19937_64 random(1);
  for (size_t round = 0; round < 3000; ++round) {
    const size_t bytes = 1 + random() % (size_t{1} << random() % 15);
    const auto plane = test::random_lane_plane(random, round, bytes);
    const ByteCounts counts = count_bytes(plane);
    const ChosenLaneCode chosen = choose_lane_code(counts);
    expect_sound(counts, chosen, 256);
    ASSERT_TRUE(same_code(chosen.code, choose_lane_code(counts).code));
    ByteCounts halves = {};
    for (uint32_t byte = 0; byte < 256; ++byte) {
      halves[byte & 15] += counts[byte];
      halves[byte >> 4] += counts[byte];
    }
    const ChosenLaneCode nibbles = choose_nibble_code(halves);
    expect_sound(halves, nibbles, 16);
    ASSERT_EQ(nibbles.code.escape_length, 0u);
    if (HasFatalFailure()) {
      ADD_FAILURE() << "round " << round;
      return;
    }
  }
}

TEST(ChooseLaneCode, IsSoundForHistogramsOfEveryShape) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 3000; ++round) {
    ByteCounts counts = {};
    const uint64_t present = 1 + random() % 256;
    const uint64_t spread = random() % 25;
    for (uint64_t i = 0; i < present; ++i) {
      counts[random() % 256] = static_cast<uint32_t>(random() >> 40 >> random() % (spread + 1));
    }
    counts[random() % 256] += 1;
    expect_sound(counts, choose_lane_code(counts), 256);
    if (HasFatalFailure()) {
      ADD_FAILURE() << "round " << round;
      return;
    }
  }
}

/// Bits of the best prefix code with lengths of any size.
uint64_t huffman_bits(const ByteCounts& counts) {
  std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>> weights;
  for (uint32_t count : counts) {
    if (count > 0) weights.push(count);
  }
  uint64_t bits = 0;
  while (weights.size() > 1) {
    uint64_t pair = weights.top();
    weights.pop();
    pair += weights.top();
    weights.pop();
    bits += pair;
    weights.push(pair);
  }
  return bits;
}

/// Within 1.3 % of the entropy, or of Huffman's best where that alone is 1 % above it.
TEST(ChooseLaneCode, GaussianWeightsDecodeByCellsAndStayNearTheEntropy) {
  for (double sigma = 3.6; sigma <= 45.0; sigma *= 1.03) {
    const ByteCounts counts = count_bytes(test::gaussian_int8(1 << 18, sigma, 9));
    const ChosenLaneCode chosen = choose_lane_code(counts);
    EXPECT_TRUE(decodes_by_cells(chosen.code)) << sigma;
    const auto entropy = static_cast<double>(order_0_bits(counts));
    const auto huffman = static_cast<double>(huffman_bits(counts));
    EXPECT_LE(static_cast<double>(chosen.bits), std::max(1.013 * entropy, 1.006 * huffman))
        << sigma;
  }
}

TEST(ChooseLaneCode, OneValueIsLoneAndOneHalfIsToo) {
  ByteCounts counts = {};
  counts[200] = 77;
  ChosenLaneCode chosen = choose_lane_code(counts);
  EXPECT_TRUE(chosen.code.lone());
  EXPECT_EQ(chosen.code.first_symbol << chosen.code.raw_bits, 200u);
  EXPECT_EQ(chosen.code.raw_bits, 0u);
  EXPECT_EQ(chosen.bits, 0u);
  for (uint32_t byte = 0x50; byte < 0x60; ++byte) counts[byte] = 1000;
  counts[200] = 0;
  chosen = choose_lane_code(counts);  // 4 bits each, whatever the code.
  EXPECT_EQ(chosen.bits, 64'000u);
  counts.fill(1);
  EXPECT_EQ(choose_lane_code(counts).bits, 2048u);
}

TEST(ChooseLaneCode, LargeCountsDoNotOverflow) {
  ByteCounts counts = {};
  counts[0] = 4'000'000'000u;
  counts[1] = 200'000'000;
  counts[255] = 94'000'000;
  counts[77] = 1;
  expect_sound(counts, choose_lane_code(counts), 256);
  counts.fill(1u << 24);
  expect_sound(counts, choose_lane_code(counts), 256);
}

}  // namespace
}  // namespace qload
