// The products of AVX2 and AVX-512, which differ in the width of a register only. Compiled with the
// flags of the file that includes it; calls nothing of the standard library.
#pragma once

#include <immintrin.h>

#include "tools/qrun/row_loops.h"

namespace qload::qrun {

/// `Set` is the file's own (see RowLoops). It has Vector of kLanes floats, zero(), load_floats(),
/// multiply_add(), add(), sum_lanes() and broadcast_half(); its elements have kBytes, load() and
/// load_one(), its blocks kBytes and multiply(), which leaves out the scale in front. For integers
/// it has Integers, zero_integers(), kCodes signed bytes widened to 16 bits by widen_codes(),
/// add_products() and sum_integers().
template <class Set>
struct X86Products {
  // How far ahead of its loads a row is prefetched: measured, 8 to 14 % faster from memory than
  // without (docs/performance.md, "qrun"). Beyond the end it does nothing.
  static constexpr size_t kPrefetchBytes = 512;
  static void prefetch(const std::byte* from) {
    _mm_prefetch(reinterpret_cast<const char*>(from + kPrefetchBytes), _MM_HINT_T0);
  }

  template <class Element, size_t row_count>
  static inline void elements(const std::byte* rows, size_t row_bytes, const float* x,
                              size_t columns, float* out) {
    using Vector = typename Set::Vector;
    constexpr size_t kLanes = Set::kLanes;
    Vector even[row_count];
    Vector odd[row_count];
    for (size_t row = 0; row < row_count; ++row) even[row] = odd[row] = Set::zero();
    size_t i = 0;
    for (; i + 2 * kLanes <= columns; i += 2 * kLanes) {
      const Vector x_even = Set::load_floats(x + i);
      const Vector x_odd = Set::load_floats(x + i + kLanes);
      for (size_t row = 0; row < row_count; ++row) {
        const std::byte* from = rows + row * row_bytes + i * Element::kBytes;
        prefetch(from);
        even[row] = Set::multiply_add(Element::load(from), x_even, even[row]);
        odd[row] =
            Set::multiply_add(Element::load(from + kLanes * Element::kBytes), x_odd, odd[row]);
      }
    }
    for (size_t row = 0; row < row_count; ++row) {
      float sum = Set::sum_lanes(Set::add(even[row], odd[row]));
      for (size_t j = i; j < columns; ++j) {
        const std::byte* from = rows + row * row_bytes + j * Element::kBytes;
        sum = __builtin_fmaf(Element::load_one(from), x[j], sum);
      }
      out[row] = sum;
    }
  }

  template <class Block, size_t row_count>
  static inline void blocks(const std::byte* rows, size_t row_bytes, const float* x, size_t columns,
                            float* out) {
    typename Set::Vector sums[row_count];
    for (size_t row = 0; row < row_count; ++row) sums[row] = Set::zero();
    size_t place = 0;
    for (size_t i = 0; i + 32 <= columns; i += 32, place += Block::kBytes) {
      for (size_t row = 0; row < row_count; ++row) {
        const std::byte* block = rows + row * row_bytes + place;
        prefetch(block);
        sums[row] = Set::multiply_add(Block::multiply(block + 2, x + i), Set::broadcast_half(block),
                                      sums[row]);
      }
    }
    for (size_t row = 0; row < row_count; ++row) out[row] = Set::sum_lanes(sums[row]);
  }

  /// Widened to 16 bits, two products and their sum are one instruction, which cannot overflow; one
  /// for bytes would take the weights' signs apart first.
  template <size_t row_count>
  static inline void integers(const std::byte* rows, size_t row_bytes, const int8_t* x,
                              size_t columns, int32_t* out) {
    typename Set::Integers sums[row_count];
    for (size_t row = 0; row < row_count; ++row) sums[row] = Set::zero_integers();
    size_t i = 0;
    for (; i + Set::kCodes <= columns; i += Set::kCodes) {
      const typename Set::Integers codes = Set::widen_codes(x + i);
      for (size_t row = 0; row < row_count; ++row) {
        const std::byte* from = rows + row * row_bytes + i;
        prefetch(from);
        sums[row] = Set::add_products(sums[row], Set::widen_codes(from), codes);
      }
    }
    for (size_t row = 0; row < row_count; ++row) {
      int32_t sum = Set::sum_integers(sums[row]);
      for (size_t j = i; j < columns; ++j) {
        sum += static_cast<signed char>(rows[row * row_bytes + j]) * x[j];
      }
      out[row] = sum;
    }
  }
};

}  // namespace qload::qrun
