// Values that look trained: log-normal row scales, a heavy-tailed bell, a few planted outliers.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "tools/synth/architecture.h"

namespace qload::synth {

/// A stream of 64-bit numbers that starts anywhere at no cost: SplitMix64 (Steele, Lea and Flood,
/// 2014). Each row of each tensor has its own, so that any thread can write any row.
class RandomStream {
 public:
  explicit RandomStream(uint64_t seed) : state_(seed) {}
  uint64_t next() { return mix(state_ += 0x9E3779B97F4A7C15u); }
  /// Uniform in [0, 1).
  double next_unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }

  static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
  }

 private:
  uint64_t state_;
};

/// Quantiles of a bell with mean 0, variance 1 and a heavy tail: z exp(h z^2 / 2) for a standard
/// normal z (Tukey's h distribution). A uniform number becomes a value by one look-up and one
/// interpolation; the outermost cells have a finer table of their own, so the tail is true down to
/// one value in 2^24.
class BellTable {
 public:
  explicit BellTable(double tail_weight);

  float value(uint32_t uniform) const {
    const uint32_t cell = uniform >> 20;
    if (cell - 1 >= kCells - 2) [[unlikely]]
      return tail_value(uniform);
    const float fraction = static_cast<float>(uniform & 0xFFFFF) * 0x1p-20f;
    return centre_[cell] + (centre_[cell + 1] - centre_[cell]) * fraction;
  }

 private:
  static constexpr uint32_t kCells = 4096;
  float tail_value(uint32_t uniform) const;
  std::array<float, kCells + 1> centre_;
  std::array<float, kCells + 1> tail_;
};

/// The values of one weight. Every row is a pure function of (seed, name, row).
class WeightValues {
 public:
  /// `spec` and `bell` must outlive it. `layer_count` is the model's.
  WeightValues(const WeightSpec& spec, const BellTable& bell, uint32_t layer_count, uint64_t seed);

  /// Fills `values` (spec.columns of them) with row `row`.
  void fill_row(uint64_t row, std::span<float> values) const;

  /// The largest absolute value of the whole tensor, exactly: one planted weight has it and all
  /// others are bounded by it. A tensor-wise scale needs no pass over the tensor.
  float absolute_max() const { return absolute_max_; }

 private:
  struct Outlier {
    uint64_t row;
    uint64_t column;
    float value;
  };
  void plant_outliers(double share_of_rows);

  const WeightSpec& spec_;
  const BellTable& bell_;
  uint64_t seed_;
  double deviation_ = 0;
  double row_spread_ = 0;
  float centre_ = 0;
  float absolute_max_ = 0;
  std::vector<Outlier> outliers_;  // Sorted by row.
};

/// The tail weight of a bell that suits all kinds.
double usual_tail_weight();

}  // namespace qload::synth
