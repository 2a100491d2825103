// Products of matrices with batches of vectors, shared among the threads of a team.
#pragma once

#include <cstddef>
#include <span>

#include "qload/result.h"
#include "tools/qrun/matrix.h"
#include "tools/qrun/row_kernels.h"
#include "tools/qrun/thread_team.h"

namespace qload::qrun {

/// `vector_count` vectors, `stride` floats apart.
template <class Float>
struct Batch {
  Float* values = nullptr;
  size_t vector_count = 0;
  size_t stride = 0;
  Float* vector(size_t number) const { return values + number * stride; }
};

/// out.vector(t)[row] = scale_of(row) * (row . in.vector(t)), for all rows and vectors.
struct Product {
  Matrix matrix;
  Batch<const float> in;
  Batch<float> out;
};

/// Computes all products in one round of the team. Every row's result is the same for any number
/// of threads and any cut into strips. The first error of a strip ends it; `out` is then
/// unspecified.
/// REQUIRES: the kernels know each matrix's type; `in` and `out` have as many vectors, of
/// matrix.columns and matrix.rows floats.
Status multiply(ThreadTeam& team, const RowKernels& kernels, std::span<const Product> products);

}  // namespace qload::qrun
