#include "tools/quantize/weight_rows.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/encode/float_rows.h"
#include "tools/encode/int8_rows.h"

namespace qload::quantize {
namespace {

void apply_factors(const WeightFactors& factors, uint64_t first_row, uint64_t columns,
                   std::span<float> values) {
  for (uint64_t row = first_row; !values.empty(); ++row) {
    const std::span<float> row_values = values.first(columns);
    if (!factors.columns.empty()) {
      for (uint64_t i = 0; i < columns; ++i) row_values[i] *= factors.columns[i];
    }
    if (!factors.rows.empty()) {
      for (float& value : row_values) value *= factors.rows[row];
    }
    values = values.subspan(columns);
  }
}

/// Infinity and every NaN are the largest magnitudes by their bits.
bool all_finite(std::span<const float> values) {
  return std::isfinite(encode::largest_magnitude(values));
}

Error not_finite(const WeightMatrix& matrix, uint64_t first_row, std::span<const float> values,
                 std::string_view whence) {
  const auto found =
      std::ranges::find_if(values, [](float value) { return !std::isfinite(value); });
  const auto index = static_cast<uint64_t>(found - values.begin());
  return Error(ErrorCode::kCorrupt,
               text("tensor ", quote(matrix.tensor->name), ": the weight in row ",
                    first_row + index / matrix.columns, ", column ", index % matrix.columns, " is ",
                    std::isnan(*found) ? "NaN" : "infinite", whence, ", expected a finite number"));
}

}  // namespace

std::vector<RowRange> cut_rows(uint64_t rows, uint64_t columns, uint64_t unit) {
  const uint64_t wanted = kPieceElements / std::max<uint64_t>(1, columns);
  const uint64_t step = std::max<uint64_t>(1, wanted / unit) * unit;
  std::vector<RowRange> ranges;
  for (uint64_t row = 0; row < rows; row += step) {
    ranges.push_back({row, std::min(step, rows - row)});
  }
  return ranges;
}

Status read_rows(const ModelSource& source, const WeightMatrix& matrix, RowRange range,
                 RowBuffer& buffer) {
  const SourceTensor& tensor = *matrix.tensor;
  const uint64_t row_bytes = matrix.columns * find_dtype(tensor.dtype)->block_bytes;
  buffer.bytes.resize(range.count * row_bytes);
  buffer.values.resize(range.count * matrix.columns);
  QLOAD_CHECK(source.read(tensor.file, tensor.offset + range.first * row_bytes, buffer.bytes));
  encode::decode_floats(tensor.dtype, buffer.bytes, buffer.values);
  if (!all_finite(buffer.values)) return not_finite(matrix, range.first, buffer.values, "");
  if (matrix.factors == nullptr || !matrix.factors->any()) return Ok{};
  apply_factors(*matrix.factors, range.first, matrix.columns, buffer.values);
  if (all_finite(buffer.values)) return Ok{};
  return not_finite(matrix, range.first, buffer.values, " once it is smoothed");
}

}  // namespace qload::quantize
