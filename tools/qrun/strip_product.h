// One strip of a product: rows that lie in memory, for all vectors.
#pragma once

#include "tools/qrun/matrix_product.h"

namespace qload::qrun {

/// Computes the results of the rows of `strip`, for each vector of `product`.
void multiply_strip(const RowKernels& kernels, const Product& product, const RowStrip& strip);

}  // namespace qload::qrun
