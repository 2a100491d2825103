// Histograms, and whole-number logarithms against those of floating point.
#include "format/base/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/support/test_files.h"

namespace qload {
namespace {

TEST(Histogram, CountsEveryByteAtEveryLength) {
  for (size_t length = 0; length <= 70; ++length) {
    const auto bytes = test::random_bytes(length, length + 1);
    const ByteCounts counts = count_bytes(bytes);
    for (uint32_t value = 0; value < 256; ++value) {
      const auto expected = std::ranges::count(bytes, static_cast<std::byte>(value));
      ASSERT_EQ(counts[value], static_cast<uint32_t>(expected)) << value << " of " << length;
    }
  }
}

TEST(Histogram, CountsTheExtremesAndRuns) {
  std::vector<std::byte> bytes(100'003, std::byte{255});
  bytes[7] = std::byte{0};
  const ByteCounts counts = count_bytes(bytes);
  EXPECT_EQ(counts[255], 100'002u);
  EXPECT_EQ(counts[0], 1u);
  EXPECT_EQ(std::ranges::count(counts, 0u), 254);
}

/// "Rounded down to within 2" in units of 2^-16.
void expect_log2(uint64_t value) {
  const auto exact = static_cast<double>(std::log2(static_cast<long double>(value)) * 65536);
  const auto found = static_cast<double>(log2_fixed(value));
  ASSERT_LE(found, exact + 1e-6) << value;  // The reference itself is rounded.
  ASSERT_GT(found, exact - 2) << value;
}

TEST(Histogram, Log2IsRoundedDownToWithinTwo) {
  for (uint64_t value = 1; value <= 70'000; ++value) expect_log2(value);
  std::mt19937_64 random(5);
  for (int i = 0; i < 200'000; ++i) {
    const uint64_t value = random() >> random() % 64;
    if (value > 0) expect_log2(value);
  }
  for (uint32_t bit = 0; bit < 64; ++bit) {
    const uint64_t power = uint64_t{1} << bit;
    EXPECT_EQ(log2_fixed(power), uint64_t{bit} << 16) << "powers of two are exact";
    if (power > 2) expect_log2(power - 1);
    expect_log2(power + 1);
  }
  expect_log2(UINT64_MAX);
}

TEST(Histogram, Log2NeverFallsAsItsArgumentGrows) {
  uint64_t last = 0;
  for (uint64_t value = 1; value < 3'000'000; ++value) {
    const uint64_t log = log2_fixed(value);
    ASSERT_GE(log, last) << value;
    last = log;
  }
}

double exact_bits(std::span<const uint32_t> counts) {
  double total = 0;
  for (uint32_t count : counts) total += count;
  double bits = 0;
  for (uint32_t count : counts) {
    if (count > 0) bits += count * std::log2(total / count);
  }
  return bits;
}

/// Each logarithm is at most 2^-15 wrong.
void expect_entropy(std::span<const uint32_t> counts) {
  double total = 0;
  for (uint32_t count : counts) total += count;
  const auto found = static_cast<double>(order_0_bits(counts));
  EXPECT_NEAR(found, exact_bits(counts), total / 32768 + 1);
}

TEST(Histogram, EntropyIsThatOfFloatingPoint) {
  for (double sigma : {0.2, 1.0, 4.5, 7.8, 20.0, 60.0}) {
    expect_entropy(count_bytes(test::gaussian_int8(1 << 20, sigma, 3)));
    expect_entropy(count_bytes(test::gaussian_int8(777, sigma, 4)));
  }
  std::mt19937_64 random(6);
  for (int i = 0; i < 2000; ++i) {
    ByteCounts counts = {};
    for (uint32_t& count : counts) count = static_cast<uint32_t>(random() >> (32 + random() % 32));
    expect_entropy(counts);
  }
}

TEST(Histogram, EntropyOfTheEdges) {
  ByteCounts counts = {};
  EXPECT_EQ(order_0_bits(counts), 0u);
  counts[17] = 1;
  EXPECT_EQ(order_0_bits(counts), 0u);
  counts[17] = UINT32_MAX;
  EXPECT_EQ(order_0_bits(counts), 0u);
  counts.fill(1);
  EXPECT_EQ(order_0_bits(counts), 256u * 8);
  counts.fill(UINT32_MAX);
  EXPECT_EQ(order_0_bits(counts), uint64_t{UINT32_MAX} * 256 * 8) << "nothing overflows";
  counts = {};
  counts[0] = counts[1] = 500;
  EXPECT_EQ(order_0_bits(std::span(counts).first(2)), 1000u);
}

}  // namespace
}  // namespace qload
