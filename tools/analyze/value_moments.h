// Counts, range and central moments of numbers, gathered in pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "qload/tensor.h"

namespace qload::analyze {

/// One piece, or several merged. Sums of powers are about the mean, so that a mean far from 0 costs
/// no digits. Beyond what a double holds they become infinite or NaN.
struct ValueMoments {
  uint64_t finite_count = 0;
  uint64_t nan_count = 0;
  uint64_t infinity_count = 0;
  uint64_t zero_count = 0;
  double minimum = 0;  ///< Of finite values; 0 without any.
  double maximum = 0;
  double mean = 0;
  double squares = 0;  ///< Sum of (x - mean)^2; cubes and fourths alike.
  double cubes = 0;
  double fourths = 0;

  void merge(const ValueMoments& other);
};

/// A number and how often it occurs.
struct CountedValue {
  double value = 0;
  uint64_t count = 0;
};
ValueMoments moments_of(std::span<const CountedValue> values);

/// Those of little-endian values of four or eight bytes; what is left over at the end is no value.
/// REQUIRES: value_reading(dtype) is kWide.
ValueMoments moments_of(DType dtype, std::span<const std::byte> bytes);

/// Adds to counts[i] the values whose nearest F32 begins with the 16 bits i: sign, exponent and 7
/// bits of mantissa, rounded towards 0. REQUIRES: counts has 65536 entries; kWide as above.
void count_upper_halves(DType dtype, std::span<const std::byte> bytes, std::span<uint32_t> counts);

}  // namespace qload::analyze
