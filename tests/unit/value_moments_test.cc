// Numbers behind bytes: codes, moments gathered in pieces, histograms.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "tests/support/test_files.h"
#include "tools/analyze/code_values.h"
#include "tools/analyze/value_bins.h"
#include "tools/analyze/value_moments.h"

namespace qload::analyze {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class T>
std::vector<std::byte> bytes_of(const std::vector<T>& values) {
  std::vector<std::byte> bytes(values.size() * sizeof(T));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// Values of the formats' own specifications: OCP 8-bit floating point 1.0, table 1; IEEE 754.
TEST(CodeValues, AreThoseOfTheSpecifications) {
  EXPECT_EQ(code_value(DType::kF8E4M3, 0x7E), 448);
  EXPECT_EQ(code_value(DType::kF8E4M3, 0xFE), -448);
  EXPECT_EQ(code_value(DType::kF8E4M3, 0x01), std::ldexp(1, -9));
  EXPECT_TRUE(std::isnan(code_value(DType::kF8E4M3, 0x7F)));
  EXPECT_EQ(code_value(DType::kF8E5M2, 0x7B), 57344);
  EXPECT_EQ(code_value(DType::kF8E5M2, 0x7C), kInfinity);
  EXPECT_EQ(code_value(DType::kF8E5M2, 0xFC), -kInfinity);
  EXPECT_TRUE(std::isnan(code_value(DType::kF8E5M2, 0x7D)));
  EXPECT_EQ(code_value(DType::kF8E5M2, 0x01), std::ldexp(1, -16));
  EXPECT_EQ(code_value(DType::kF8E4M3Fnuz, 0x7F), 240);
  EXPECT_TRUE(std::isnan(code_value(DType::kF8E4M3Fnuz, 0x80)));
  EXPECT_EQ(code_value(DType::kF8E5M2Fnuz, 0x7F), 57344);
  EXPECT_TRUE(std::isnan(code_value(DType::kF8E5M2Fnuz, 0x80)));
  EXPECT_EQ(code_value(DType::kF8E8M0, 127), 1);
  EXPECT_TRUE(std::isnan(code_value(DType::kF8E8M0, 255)));
  EXPECT_EQ(code_value(DType::kF16, 0x3C00), 1);
  EXPECT_EQ(code_value(DType::kF16, 0x7BFF), 65504);
  EXPECT_EQ(code_value(DType::kF16, 0x8001), -std::ldexp(1, -24));
  EXPECT_EQ(code_value(DType::kF16, 0x7C00), kInfinity);
  EXPECT_TRUE(std::isnan(code_value(DType::kF16, 0x7C01)));
  EXPECT_EQ(code_value(DType::kBF16, 0x3F80), 1);
  EXPECT_EQ(code_value(DType::kBF16, 0xC000), -2);
  EXPECT_EQ(code_value(DType::kI8, 0x80), -128);
  EXPECT_EQ(code_value(DType::kU8, 0x80), 128);
  EXPECT_EQ(code_value(DType::kI16, 0xFFFF), -1);
  EXPECT_EQ(code_value(DType::kU16, 0xFFFF), 65535);
}

/// Two passes over all values, in long double.
struct Reference {
  explicit Reference(const std::vector<double>& values) {
    for (const double value : values) mean += value;
    mean /= static_cast<long double>(values.size());
    for (const double value : values) {
      const long double from_mean = value - mean;
      squares += from_mean * from_mean;
      cubes += from_mean * from_mean * from_mean;
      fourths += from_mean * from_mean * from_mean * from_mean;
    }
  }
  long double mean = 0;
  long double squares = 0;
  long double cubes = 0;
  long double fourths = 0;
};

void expect_close(double found, long double expected, const char* what) {
  EXPECT_NEAR(found, static_cast<double>(expected),
              1e-9 * std::fabs(static_cast<double>(expected)) + 1e-12)
      << what;
}

TEST(ValueMoments, OfPiecesAreThoseOfTheWhole) {
  std::mt19937_64 generator(5);
  std::gamma_distribution<float> skewed(2.0f, 3.0f);
  for (const float shift : {0.0f, 1000.0f}) {
    std::vector<float> floats(20000);
    for (float& value : floats) value = skewed(generator) + shift;
    const std::vector<double> values(floats.begin(), floats.end());
    const Reference expected(values);
    for (const size_t piece : {1u, 7u, 1000u, 20000u}) {
      SCOPED_TRACE(piece);
      ValueMoments moments;
      for (size_t begin = 0; begin < floats.size(); begin += piece) {
        const std::vector<float> part(
            floats.begin() + static_cast<ptrdiff_t>(begin),
            floats.begin() + static_cast<ptrdiff_t>(std::min(begin + piece, floats.size())));
        moments.merge(moments_of(DType::kF32, bytes_of(part)));
      }
      EXPECT_EQ(moments.finite_count, floats.size());
      expect_close(moments.mean, expected.mean, "mean");
      expect_close(moments.squares, expected.squares, "squares");
      expect_close(moments.cubes, expected.cubes, "cubes");
      expect_close(moments.fourths, expected.fourths, "fourths");
    }
  }
}

TEST(ValueMoments, LeaveOutWhatIsNotFinite) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> values = {nan, 1, -infinity, 0, -0.0f, 3, infinity, nan, nan};
  const ValueMoments moments = moments_of(DType::kF32, bytes_of(values));
  EXPECT_EQ(moments.finite_count, 4u);
  EXPECT_EQ(moments.nan_count, 3u);
  EXPECT_EQ(moments.infinity_count, 2u);
  EXPECT_EQ(moments.zero_count, 2u);
  EXPECT_EQ(moments.minimum, 0);
  EXPECT_EQ(moments.maximum, 3);
  EXPECT_EQ(moments.mean, 1);
  EXPECT_EQ(moments.squares, 6);

  const std::vector<float> none = {nan, infinity};
  ValueMoments merged = moments_of(DType::kF32, bytes_of(none));
  EXPECT_EQ(merged.finite_count, 0u);
  merged.merge(moments);
  EXPECT_EQ(merged.mean, 1);
  EXPECT_EQ(merged.minimum, 0);
  EXPECT_EQ(merged.nan_count, 4u);
}

TEST(ValueMoments, ReadEveryWideType) {
  EXPECT_EQ(moments_of(DType::kI32, bytes_of(std::vector<int32_t>{-5, 7})).minimum, -5);
  EXPECT_EQ(moments_of(DType::kU32, bytes_of(std::vector<uint32_t>{~0u, 7})).maximum, 4294967295.0);
  EXPECT_EQ(moments_of(DType::kI64, bytes_of(std::vector<int64_t>{-1, -3})).mean, -2);
  EXPECT_EQ(moments_of(DType::kU64, bytes_of(std::vector<uint64_t>{1ull << 63, 0})).maximum,
            std::ldexp(1, 63));
  EXPECT_EQ(moments_of(DType::kF64, bytes_of(std::vector<double>{1e300, -1e300})).maximum, 1e300);
}

TEST(ValueBins, TwoByteValuesAreCountedExactly) {
  LinearBins bins(2.0);
  bins.add(-2.0, 1);
  bins.add(2.0, 10);  // The upper end belongs to the last bin.
  bins.add(0.0, 100);
  bins.add(-2.0 + 4.0 / 256, 1000);  // The second bin's lower end.
  bins.add(kInfinity, 5);
  const ValueHistogram histogram = bins.take();
  EXPECT_EQ(histogram.bins, ValueHistogram::Bins::kLinear);
  EXPECT_EQ(histogram.lower, -2);
  EXPECT_EQ(histogram.upper, 2);
  ASSERT_EQ(histogram.counts.size(), kLinearBinCount);
  EXPECT_EQ(histogram.counts[0], 1u);
  EXPECT_EQ(histogram.counts[1], 1000u);
  EXPECT_EQ(histogram.counts[128], 100u);
  EXPECT_EQ(histogram.counts[255], 10u);
  EXPECT_EQ(std::accumulate(histogram.counts.begin(), histogram.counts.end(), uint64_t{0}), 1111u);
}

TEST(ValueBins, WideValuesLandWithinABinOfTheirOwn) {
  std::mt19937_64 generator(9);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> values(100000);
  double absmax = 0;
  for (float& value : values) {
    value = normal(generator);
    absmax = std::max(absmax, std::fabs(static_cast<double>(value)));
  }
  std::vector<uint32_t> halves(1u << 16);
  count_upper_halves(DType::kF32, bytes_of(values), halves);
  LinearBins found(absmax);
  LinearBins expected(absmax);
  for (uint32_t half = 0; half < halves.size(); ++half) {
    if (halves[half] > 0) found.add_upper_half(static_cast<uint16_t>(half), halves[half]);
  }
  for (const float value : values) expected.add(value, 1);
  const ValueHistogram a = found.take();
  const ValueHistogram b = expected.take();
  // No value is further off than to the next bin: neither is the running count.
  uint64_t below_a = 0;
  uint64_t below_b = 0;
  for (size_t bin = 0; bin < kLinearBinCount; ++bin) {
    const uint64_t least = below_b;
    below_a += a.counts[bin];
    below_b += b.counts[bin];
    const uint64_t most = below_b + (bin + 1 < kLinearBinCount ? b.counts[bin + 1] : 0);
    EXPECT_GE(below_a, least) << bin;
    EXPECT_LE(below_a, most) << bin;
  }
  EXPECT_EQ(below_a, values.size());
}

TEST(ValueBins, ZerosAloneAndNothingAtAll) {
  LinearBins zeros(0);
  zeros.add(0, 3);
  zeros.add_upper_half(0x8000, 4);
  const ValueHistogram histogram = zeros.take();
  EXPECT_EQ(histogram.counts[128], 7u);
  LinearBins infinite(1);
  infinite.add_upper_half(0x7F80, 4);
  infinite.add_upper_half(0xFFC0, 4);
  for (const uint64_t count : infinite.take().counts) EXPECT_EQ(count, 0u);
}

TEST(ValueBins, CodesAreCountedOneByOne) {
  std::vector<uint64_t> bytes(256);
  bytes[0x80] = 3;
  bytes[0xFF] = 5;
  bytes[0x00] = 7;
  bytes[0x7F] = 9;
  const ValueHistogram codes = bin_signed_bytes(bytes);
  EXPECT_EQ(codes.lower, -128);
  EXPECT_EQ(codes.upper, 127);
  EXPECT_EQ(codes.counts[0], 3u);
  EXPECT_EQ(codes.counts[127], 5u);
  EXPECT_EQ(codes.counts[128], 7u);
  EXPECT_EQ(codes.counts[255], 9u);
  const ValueHistogram nibbles = bin_nibbles(bytes);
  ASSERT_EQ(nibbles.counts.size(), 16u);
  EXPECT_EQ(nibbles.counts[0], 3u + 2 * 7u);
  EXPECT_EQ(nibbles.counts[8], 3u);
  EXPECT_EQ(nibbles.counts[15], 2 * 5u + 9u);
  EXPECT_EQ(nibbles.counts[7], 9u);
}

}  // namespace
}  // namespace qload::analyze
