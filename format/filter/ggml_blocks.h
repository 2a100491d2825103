// Which filter takes a ggml type's blocks apart.
#pragma once

#include "format/filter/filter.h"
#include "qload/tensor.h"

namespace qload {

/// The filter for blocks of `dtype`: its block_bytes are the type's. kNone for a type without
/// fields, and for one that this library does not know.
FilterId block_filter_of(DType dtype);

}  // namespace qload
