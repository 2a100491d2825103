// ggml's quantizers for synthetic weights: the blocks that a converter would have written.
#pragma once

#include <cstddef>
#include <span>

#include "qload/tensor.h"

namespace qload::encode {

/// Quantizes the elements of one block of `dtype` (Q8_0, Q4_0 or Q4_K) into its bytes, as ggml's
/// reference quantizers do (ggml-quants.c, quantize_row_q8_0_ref, q4_0_ref, q4_K_ref).
/// REQUIRES: weights and block have the sizes that find_dtype(dtype) says.
void quantize_block(DType dtype, std::span<const float> weights, std::span<std::byte> block);

}  // namespace qload::encode
