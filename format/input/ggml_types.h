// ggml's numbers of tensor types, and their types here.
#pragma once

#include <cstdint>

#include "qload/result.h"
#include "qload/tensor.h"

namespace qload {

/// The type with ggml's number `type` (ggml.h, enum ggml_type). kUnsupported names the types that
/// ggml has removed, and every number it has not given out yet.
Result<DType> dtype_of_ggml(uint32_t type);

}  // namespace qload
