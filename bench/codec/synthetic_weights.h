// Bytes that look like trained weights, for tables that anyone can make again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "qload/tensor.h"

namespace qload::bench {

/// One kind of synthetic tensor. Seeded by its own constant: the same bytes in every run.
struct SyntheticWeights {
  std::string_view name;
  std::string_view description;
  DType dtype;
  uint64_t seed;
  double sigma;  ///< INT8: of a step of 1. Else unused.
  bool per_row;  ///< INT8: each row has a scale of its own.

  /// Elements of a row, the tensor's inner dimension.
  static constexpr uint64_t kRowElements = 4096;
  uint64_t row_bytes() const;

  /// `row_count` rows.
  std::vector<std::byte> make(uint64_t row_count) const;
};

std::span<const SyntheticWeights> all_synthetic_weights();

}  // namespace qload::bench
