// Histograms of values for people to look at.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tools/analyze/model_analysis.h"

namespace qload::analyze {

/// Counts of bytes as the numbers that they are: -128 to 127, 0 to 255, or two times 0 to 15.
/// REQUIRES: 256 counts.
ValueHistogram bin_signed_bytes(std::span<const uint64_t> counts);
ValueHistogram bin_bytes(std::span<const uint64_t> counts);
ValueHistogram bin_nibbles(std::span<const uint64_t> counts);

/// Builds a histogram of kLinearBinCount bins from -absmax to absmax. What is not finite is left
/// out.
class LinearBins {
 public:
  explicit LinearBins(double absmax);
  void add(double value, uint64_t count);
  /// Values that are known by the upper half of their F32 (count_upper_halves): evenly shared among
  /// the bins that its numbers fall in. Near absmax they are about as wide as a bin. What a float
  /// does not hold is left out.
  void add_upper_half(uint16_t half, uint64_t count);
  ValueHistogram take();

 private:
  size_t bin_of(double value) const;

  double absmax_;
  std::vector<double> shares_;  ///< Counts, while they are in parts.
};

}  // namespace qload::analyze
