#include "tools/qrun/strip_product.h"

#include <algorithm>

namespace qload::qrun {
namespace {

// Rows whose sums lie on the stack between a kernel and what follows it.
constexpr uint64_t kPieceRows = 256;

/// out[i] = row i . in.vector(vector), in floats.
void multiply_floats(const RowKernels& kernels, const Product& product, const RowStrip& rows,
                     size_t vector, float* out) {
  const Matrix& matrix = product.matrix;
  find_row_product(kernels, matrix.dtype)(rows.data, matrix.row_bytes, rows.row_count,
                                          product.in.vector(vector), matrix.columns, out);
}

/// The same of codes, in integers; rows too long for a sum of 32 bits go in parts.
void multiply_codes(const RowKernels& kernels, const Product& product, const RowStrip& rows,
                    size_t vector, float* out) {
  const Matrix& matrix = product.matrix;
  const int8_t* codes = product.quantized.codes.vector(vector);
  int64_t sums[kPieceRows] = {};
  for (uint64_t column = 0; column < matrix.columns; column += kIntegerColumnsMax) {
    int32_t part[kPieceRows];
    kernels.i8_integers(rows.data + column, matrix.row_bytes, rows.row_count, codes + column,
                        std::min<uint64_t>(kIntegerColumnsMax, matrix.columns - column), part);
    for (uint64_t i = 0; i < rows.row_count; ++i) sums[i] += part[i];
  }
  const float scale = product.quantized.scales[vector];
  for (uint64_t i = 0; i < rows.row_count; ++i) out[i] = static_cast<float>(sums[i]) * scale;
}

void add_outliers(const RowKernels& kernels, const Product& product, const RowStrip& rows,
                  size_t vector, float* out) {
  const OutlierColumns& outliers = product.matrix.outliers;
  float sums[kPieceRows];
  kernels.f16(outliers.weights + rows.first_row * outliers.row_bytes(), outliers.row_bytes(),
              rows.row_count, product.outlier_in.vector(vector), outliers.columns.size(), sums);
  for (uint64_t i = 0; i < rows.row_count; ++i) out[i] += sums[i];
}

void multiply_piece(const RowKernels& kernels, const Product& product, const RowStrip& rows) {
  const Matrix& matrix = product.matrix;
  for (size_t vector = 0; vector < product.out.vector_count; ++vector) {
    float* out = product.out.vector(vector) + rows.first_row;
    if (product.quantized.codes.values != nullptr) {
      multiply_codes(kernels, product, rows, vector, out);
    } else {
      multiply_floats(kernels, product, rows, vector, out);
    }
    if (!matrix.scales.empty()) {
      for (uint64_t i = 0; i < rows.row_count; ++i) out[i] *= matrix.scale_of(rows.first_row + i);
    }
    if (!matrix.outliers.columns.empty()) add_outliers(kernels, product, rows, vector, out);
  }
}

}  // namespace

void multiply_strip(const RowKernels& kernels, const Product& product, const RowStrip& strip) {
  for (uint64_t row = 0; row < strip.row_count; row += kPieceRows) {
    multiply_piece(kernels, product,
                   {strip.data + row * product.matrix.row_bytes, strip.first_row + row,
                    std::min(kPieceRows, strip.row_count - row)});
  }
}

}  // namespace qload::qrun
