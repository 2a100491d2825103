// The loops over rows that the kernels of all instruction sets share. For their files only: each
// gives a type of its own, so that what is compiled for one processor never serves another.
#pragma once

#include <cstddef>

#include "tools/qrun/row_kernels.h"

namespace qload::qrun {

/// `Set` has kRowsTogether, and products of so many rows side by side, or of one:
/// elements<Element, rows>() and blocks<Block, rows>() for the types F32, F16, BF16, I8, Q8, Q4,
/// and integers<rows>().
template <class Set>
struct RowLoops {
  template <class Element>
  static void element_rows(const std::byte* rows, size_t row_bytes, size_t row_count,
                           const float* x, size_t columns, float* out) {
    size_t row = 0;
    for (; row + Set::kRowsTogether <= row_count; row += Set::kRowsTogether) {
      Set::template elements<Element, Set::kRowsTogether>(rows + row * row_bytes, row_bytes, x,
                                                          columns, out + row);
    }
    for (; row < row_count; ++row) {
      Set::template elements<Element, 1>(rows + row * row_bytes, row_bytes, x, columns, out + row);
    }
  }

  template <class Block>
  static void block_rows(const std::byte* rows, size_t row_bytes, size_t row_count, const float* x,
                         size_t columns, float* out) {
    size_t row = 0;
    for (; row + Set::kRowsTogether <= row_count; row += Set::kRowsTogether) {
      Set::template blocks<Block, Set::kRowsTogether>(rows + row * row_bytes, row_bytes, x, columns,
                                                      out + row);
    }
    for (; row < row_count; ++row) {
      Set::template blocks<Block, 1>(rows + row * row_bytes, row_bytes, x, columns, out + row);
    }
  }

  static void integer_rows(const std::byte* rows, size_t row_bytes, size_t row_count,
                           const int8_t* x, size_t columns, int32_t* out) {
    size_t row = 0;
    for (; row + Set::kRowsTogether <= row_count; row += Set::kRowsTogether) {
      Set::template integers<Set::kRowsTogether>(rows + row * row_bytes, row_bytes, x, columns,
                                                 out + row);
    }
    for (; row < row_count; ++row) {
      Set::template integers<1>(rows + row * row_bytes, row_bytes, x, columns, out + row);
    }
  }

  static constexpr RowKernels kernels(std::string_view name) {
    return {
        .name = name,
        .f32 = element_rows<typename Set::F32>,
        .f16 = element_rows<typename Set::F16>,
        .bf16 = element_rows<typename Set::BF16>,
        .i8 = element_rows<typename Set::I8>,
        .q8_0 = block_rows<typename Set::Q8>,
        .q4_0 = block_rows<typename Set::Q4>,
        .i8_integers = integer_rows,
    };
  }
};

}  // namespace qload::qrun
