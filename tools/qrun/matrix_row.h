// A row of a matrix as the numbers it stands for: an embedding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tools/qrun/matrix.h"

namespace qload::qrun {

/// Row `row` of `matrix`, scaled, with its outlier columns in place and smoothing undone; `data` is
/// the row as it is stored. REQUIRES: `out` has matrix.columns elements.
void decode_matrix_row(const Matrix& matrix, uint64_t row, const std::byte* data,
                       std::span<float> out);

}  // namespace qload::qrun
