// Floats as they lie in model files, to 32-bit floats and back.
#pragma once

#include <cstddef>
#include <span>

#include "qload/tensor.h"

namespace qload::encode {

/// True for F32, F16 and BF16, whose every value is a 32-bit float.
bool is_plain_float(DType dtype);

/// REQUIRES: is_plain_float(dtype); bytes.size() is that of `out.size()` elements.
void decode_floats(DType dtype, std::span<const std::byte> bytes, std::span<float> out);

/// To nearest, ties to even; what is too large for F16 becomes infinity.
/// REQUIRES: is_plain_float(dtype); out.size() is that of `values.size()` elements.
void encode_floats(DType dtype, std::span<const float> values, std::span<std::byte> out);

}  // namespace qload::encode
