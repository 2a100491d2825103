// What quantizing did to the weights of one tensor, in numbers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "qload/tensor.h"

namespace qload::quantize {

/// The figures of one tensor. Of a smoothed one they are about the weights once smoothed, but for
/// `source_entropy_bits`.
struct TensorStatistics {
  uint64_t count = 0;
  double absolute_max = 0;
  double deviation = 0;  ///< Standard deviation.
  /// Fourth moment by the squared variance: 3 for a normal distribution, 1.8 for a flat one.
  /// Nothing when all weights are equal.
  std::optional<double> kurtosis;
  /// Ten times the decimal logarithm of the weights' sum of squares by the errors'. Nothing when
  /// there is no error, or nothing but zeros.
  std::optional<double> sqnr_decibels;
  double error_max = 0;  ///< The largest absolute difference from a weight.
  /// Bits for each value: the order-0 entropies of the input's bytes, each place of a value by
  /// itself (2 or 4 byte planes), added up.
  double source_entropy_bits = 0;
  double code_entropy_bits = 0;  ///< Order-0, of the 8-bit or 4-bit codes.

  /// absmax / std, which decides the entropy of INT8 codes; nothing for equal weights.
  std::optional<double> peak_to_deviation() const;
};

/// Sums over one piece of a tensor, to be merged with those of the pieces before it. Merging in
/// the same order gives the same figures to the last bit.
class StatisticsSums {
 public:
  /// `source` are the bytes of `values` as they were read, of `dtype`.
  void add_weights(DType dtype, std::span<const std::byte> source, std::span<const float> values);
  /// What an engine makes of the codes of `values`.
  void add_errors(std::span<const float> values, std::span<const float> decoded);
  /// `weights` is what is written of type `dtype`: I8, or blocks of Q8_0 or Q4_0.
  void add_codes(DType dtype, std::span<const std::byte> weights);
  void merge(const StatisticsSums& next);
  TensorStatistics finish() const;

 private:
  using Counts = std::array<uint64_t, 256>;
  double count_ = 0;
  double mean_ = 0;
  // Sums of powers of differences from the mean.
  double second_ = 0;
  double third_ = 0;
  double fourth_ = 0;
  double absolute_max_ = 0;
  double square_sum_ = 0;
  double error_square_sum_ = 0;
  double error_max_ = 0;
  uint32_t plane_count_ = 0;
  std::array<Counts, 4> planes_ = {};
  Counts codes_ = {};
};

}  // namespace qload::quantize
