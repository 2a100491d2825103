// One row of a matrix as floats: for embeddings, norms, and as the reference of the products.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "qload/tensor.h"

namespace qload::qrun {

/// Elements and bytes of a block of ggml's Q8_0 and Q4_0 (ggml-common.h, block_q8_0, block_q4_0): a
/// half scale, then 32 signed bytes, or 16 bytes of which byte j holds element j in its low half
/// and element j + 16 in its high one, each 8 too large.
inline constexpr size_t kBlockElements = 32;
inline constexpr size_t kQ8BlockBytes = 34;
inline constexpr size_t kQ4BlockBytes = 18;

float float_of_half_bits(uint16_t half);
float float_of_bfloat_bits(uint16_t bfloat);

/// The elements of `row`, unscaled (I8) or with the scales of their blocks (Q8_0, Q4_0).
/// REQUIRES: find_row_product knows `dtype`; `row` holds out.size() elements in whole blocks.
void decode_row(DType dtype, std::span<const std::byte> row, std::span<float> out);

}  // namespace qload::qrun
