// Median and spread of a few measurements.
#pragma once

#include <cstddef>
#include <vector>

namespace qload::bench {

/// All zero when there are no values.
struct Spread {
  double median = 0;
  double min = 0;
  double max = 0;
};

/// The median of an even number of values is the mean of the two in the middle.
Spread spread_of(std::vector<double> values);

/// The number of the value closest to the median (the lower one of two). REQUIRES: not empty.
size_t median_position(const std::vector<double>& values);

}  // namespace qload::bench
