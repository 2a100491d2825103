// Products of matrices with batches of vectors, shared among the threads of a team.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "qload/result.h"
#include "tools/qrun/matrix.h"
#include "tools/qrun/row_kernels.h"
#include "tools/qrun/thread_team.h"

namespace qload::qrun {

/// `vector_count` vectors, `stride` elements apart.
template <class Element>
struct Batch {
  Element* values = nullptr;
  size_t vector_count = 0;
  size_t stride = 0;
  Element* vector(size_t number) const { return values + number * stride; }
};

/// Vectors of signed bytes: element i of vector t stands for codes.vector(t)[i] * scales[t].
struct QuantizedBatch {
  Batch<const int8_t> codes;
  const float* scales = nullptr;
};

/// out.vector(t)[row] = scale_of(row) * (row . in.vector(t)) + outliers of row .
/// outlier_in.vector(t), for all rows and vectors. The matrix's input factors have been applied:
/// LinearInputs makes products of matrices that have them, or outliers.
struct Product {
  Matrix matrix;
  Batch<const float> in;
  Batch<float> out;
  QuantizedBatch quantized;       ///< When its codes are not null: in place of `in`, for I8.
  Batch<const float> outlier_in;  ///< What matrix.outliers multiply: one element for each column.
};

/// Computes all products in one round of the team. Every row's result is the same for any number
/// of threads and any cut into strips. The first error of a strip ends it; `out` is then
/// unspecified.
/// REQUIRES: the kernels know each matrix's type; inputs and `out` have as many vectors, of
/// matrix.columns and matrix.rows elements.
Status multiply(ThreadTeam& team, const RowKernels& kernels, std::span<const Product> products);

}  // namespace qload::qrun
