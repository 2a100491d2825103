// Matrix: weights as a product sees them, whole in memory or strip by strip.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "qload/result.h"
#include "qload/tensor.h"

namespace qload::qrun {

/// Some rows of a matrix that lie one after the other. Borrowed.
struct RowStrip {
  const std::byte* data = nullptr;
  uint64_t first_row = 0;
  uint64_t row_count = 0;
};

/// Gives out a matrix that is not in memory as one piece: decoded, or read, a few rows at a time.
/// Each thread of the team is a worker with a place and a strip of its own; workers do not wait
/// for each other.
class RowStrips {
 public:
  virtual ~RowStrips() = default;
  /// Where a thread's share of the rows should begin and end, so that nothing is decoded twice: 0
  /// first, in increasing order, the matrix's rows last. Empty: anywhere.
  virtual std::span<const uint64_t> cuts() const { return {}; }
  /// Puts `worker` before row `row`. REQUIRES: row less than the matrix's rows.
  virtual Status seek(uint32_t worker, uint64_t row) = 0;
  /// The next rows of `worker`, at least one, at most `row_count_max`; valid until its next call.
  virtual Result<RowStrip> next_rows(uint32_t worker, uint64_t row_count_max) = 0;
};

/// Columns that a matrix of I8 keeps as halves beside its codes, as LLM.int8() does: its codes
/// there stand for nothing.
struct OutlierColumns {
  std::span<const uint32_t> columns;   ///< In increasing order.
  const std::byte* weights = nullptr;  ///< F16, columns.size() for each row of the matrix.

  size_t row_bytes() const { return 2 * columns.size(); }
};

/// A matrix of `rows` x `columns`. A view: what it points to lives as long as its step.
struct Matrix {
  DType dtype = DType::kF32;
  uint64_t rows = 0;
  uint64_t columns = 0;
  uint64_t row_bytes = 0;
  std::span<const std::byte> data;  ///< All rows; empty when `strips` gives them out.
  RowStrips* strips = nullptr;
  std::span<const float> scales;  ///< None, one for the matrix, or one for each row.
  /// None, or one for each column: an input is multiplied by them before the matrix is. Scales of
  /// columns, and what smoothing has moved into the weights (1 / s).
  std::span<const float> input_factors;
  OutlierColumns outliers;

  float scale_of(uint64_t row) const {
    return scales.empty() ? 1.0f : scales[scales.size() == 1 ? 0 : row];
  }
};

}  // namespace qload::qrun
