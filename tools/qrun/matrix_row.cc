#include "tools/qrun/matrix_row.h"

#include "format/base/bytes.h"
#include "tools/qrun/decode_row.h"

namespace qload::qrun {

void decode_matrix_row(const Matrix& matrix, uint64_t row, const std::byte* data,
                       std::span<float> out) {
  decode_row(matrix.dtype, {data, matrix.row_bytes}, out);
  const float scale = matrix.scale_of(row);
  for (float& value : out) value *= scale;
  // A product with such a row multiplies its input by the factors: so they belong to the row.
  for (size_t i = 0; i < matrix.input_factors.size(); ++i) out[i] *= matrix.input_factors[i];
  const OutlierColumns& outliers = matrix.outliers;
  for (size_t i = 0; i < outliers.columns.size(); ++i) {
    const std::byte* half = outliers.weights + row * outliers.row_bytes() + 2 * i;
    out[outliers.columns[i]] = float_of_half_bits(load_le<uint16_t>(half));
  }
}

}  // namespace qload::qrun
