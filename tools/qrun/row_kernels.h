// Dot products of quantized rows with a vector: the inner loop of the engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "qload/tensor.h"

namespace qload::qrun {

/// out[i] = row i . x, for `row_count` rows of `columns` elements, `row_bytes` apart, which need no
/// alignment. Rows are not scaled: that is the caller's. The sum of a row does not depend on the
/// rows around it, so that any cut into strips gives the same bits.
/// REQUIRES: whole blocks in a row.
using RowProduct = void (*)(const std::byte* rows, size_t row_bytes, size_t row_count,
                            const float* x, size_t columns, float* out);

/// The same for rows and a vector of signed bytes, in integers: every kernel gives the same sums.
/// REQUIRES: at most kIntegerColumnsMax columns; no -128 in x.
using IntegerRowProduct = void (*)(const std::byte* rows, size_t row_bytes, size_t row_count,
                                   const int8_t* x, size_t columns, int32_t* out);

/// So many products of -128 and 127 fit a sum of 32 bits.
inline constexpr size_t kIntegerColumnsMax = 1u << 17;

/// One product for each element type, for one instruction set.
struct RowKernels {
  std::string_view name;
  RowProduct f32;
  RowProduct f16;
  RowProduct bf16;
  RowProduct i8;
  RowProduct q8_0;
  RowProduct q4_0;
  IntegerRowProduct i8_integers;  ///< Rows of I8.
};

/// The reference, and the kernels of each instruction set, defined where the target has it.
extern const RowKernels kRowScalar;
extern const RowKernels kRowAvx2;
extern const RowKernels kRowAvx512;
extern const RowKernels kRowNeon;

/// What this processor can run, slowest first. Static storage.
std::span<const RowKernels* const> usable_row_kernels();
/// The fastest of them.
const RowKernels& fastest_row_kernels();

/// The product for `dtype`, or null when the engine does not know the type.
RowProduct find_row_product(const RowKernels& kernels, DType dtype);

}  // namespace qload::qrun
