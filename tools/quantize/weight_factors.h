// What smoothing multiplies the weights of a matrix by.
#pragma once

#include <vector>

namespace qload::quantize {

/// w'[row][column] = w * columns[column] * rows[row], in this order, each rounded to a float. An
/// empty vector stands for ones. A vector of weights is a matrix of one row.
struct WeightFactors {
  std::vector<float> rows;
  std::vector<float> columns;

  bool any() const { return !rows.empty() || !columns.empty(); }
};

}  // namespace qload::quantize
