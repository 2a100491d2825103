// Reading weights: some rows of a matrix as floats, proven finite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "format/input/model_source.h"
#include "qload/result.h"
#include "tools/quantize/weight_factors.h"

namespace qload::quantize {

/// A tensor of plain floats seen as rows. What it points to must outlive it.
struct WeightMatrix {
  const SourceTensor* tensor = nullptr;
  uint64_t rows = 1;
  uint64_t columns = 0;
  const WeightFactors* factors = nullptr;
};

/// Rows [first, first + count).
struct RowRange {
  uint64_t first = 0;
  uint64_t count = 0;
  uint64_t end() const { return first + count; }
};

/// Elements of one piece of work: 1 MiB of F32, large enough to read fast, small enough that
/// threads share one matrix. A piece has at least one row.
inline constexpr uint64_t kPieceElements = 1u << 18;
/// A longer row is refused: it is read whole, and memory must stay bounded. The largest
/// vocabularies and feed-forward sizes have 2^18.
inline constexpr uint64_t kRowElementsMax = 1u << 24;

/// Cuts `rows` rows into pieces of about kPieceElements, each but the last a multiple of `unit`
/// rows.
std::vector<RowRange> cut_rows(uint64_t rows, uint64_t columns, uint64_t unit = 1);

/// One thread's memory for rows.
struct RowBuffer {
  std::vector<std::byte> bytes;  ///< As they lie in the file.
  std::vector<float> values;     ///< Multiplied by the matrix's factors.
};

/// Fills `buffer` with `range`. kCorrupt names tensor, row and column of a weight that is NaN or
/// infinite, or becomes so by its factors.
Status read_rows(const ModelSource& source, const WeightMatrix& matrix, RowRange range,
                 RowBuffer& buffer);

}  // namespace qload::quantize
