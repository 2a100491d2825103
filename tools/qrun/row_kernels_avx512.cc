// The products on AVX-512: sixteen elements at a time become floats in a register.
//
// Eight rows go side by side: they share the loads of x, and their sums, two for each row, are
// chains enough to hide the latency of a multiply-add. Compiled with its own flags; calls nothing
// of the standard library (docs/design.md, "Kernels").
#include <immintrin.h>

#include "tools/qrun/row_kernels.h"

namespace qload::qrun {
namespace {

constexpr size_t kRowsTogether = 8;
// How far ahead of its loads a row is prefetched: measured, 8 to 14 % faster from memory than
// without (docs/performance.md, "qrun"). Beyond the end it does nothing.
constexpr size_t kPrefetchBytes = 512;

inline void prefetch(const std::byte* from) {
  _mm_prefetch(reinterpret_cast<const char*>(from + kPrefetchBytes), _MM_HINT_T0);
}

inline float sum_lanes(__m512 v) { return _mm512_reduce_add_ps(v); }

inline __m512 widen_i8(__m128i bytes) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)); }
inline __m128i load_16_bytes(const std::byte* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}
inline __m256i load_32_bytes(const std::byte* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}
/// The half at `from` as a float in all lanes.
inline __m512 broadcast_half(const std::byte* from) {
  short bits;
  __builtin_memcpy(&bits, from, sizeof bits);
  return _mm512_cvtph_ps(_mm256_set1_epi16(bits));
}

struct F32 {
  static constexpr size_t kBytes = 4;
  static __m512 load(const std::byte* from) {
    return _mm512_loadu_ps(reinterpret_cast<const float*>(from));
  }
  static float load_one(const std::byte* from) {
    float value;
    __builtin_memcpy(&value, from, sizeof value);
    return value;
  }
};
struct F16 {
  static constexpr size_t kBytes = 2;
  static __m512 load(const std::byte* from) { return _mm512_cvtph_ps(load_32_bytes(from)); }
  static float load_one(const std::byte* from) { return _mm512_cvtss_f32(broadcast_half(from)); }
};
struct BF16 {
  static constexpr size_t kBytes = 2;
  static __m512 load(const std::byte* from) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(load_32_bytes(from)), 16));
  }
  static float load_one(const std::byte* from) {
    unsigned short bits;
    __builtin_memcpy(&bits, from, sizeof bits);
    return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(static_cast<int>(bits) << 16)));
  }
};
struct I8 {
  static constexpr size_t kBytes = 1;
  static __m512 load(const std::byte* from) { return widen_i8(load_16_bytes(from)); }
  static float load_one(const std::byte* from) {
    return static_cast<float>(static_cast<signed char>(*from));
  }
};

template <class Element, size_t row_count>
inline void multiply_elements(const std::byte* rows, size_t row_bytes, const float* x,
                              size_t columns, float* out) {
  __m512 even[row_count];
  __m512 odd[row_count];
  for (size_t row = 0; row < row_count; ++row) even[row] = odd[row] = _mm512_setzero_ps();
  size_t i = 0;
  for (; i + 32 <= columns; i += 32) {
    const __m512 x_even = _mm512_loadu_ps(x + i);
    const __m512 x_odd = _mm512_loadu_ps(x + i + 16);
    for (size_t row = 0; row < row_count; ++row) {
      const std::byte* from = rows + row * row_bytes + i * Element::kBytes;
      prefetch(from);
      even[row] = _mm512_fmadd_ps(Element::load(from), x_even, even[row]);
      odd[row] = _mm512_fmadd_ps(Element::load(from + 16 * Element::kBytes), x_odd, odd[row]);
    }
  }
  for (size_t row = 0; row < row_count; ++row) {
    float sum = sum_lanes(_mm512_add_ps(even[row], odd[row]));
    for (size_t j = i; j < columns; ++j) {
      const std::byte* from = rows + row * row_bytes + j * Element::kBytes;
      sum = __builtin_fmaf(Element::load_one(from), x[j], sum);
    }
    out[row] = sum;
  }
}

/// A block's 32 weights without their scale, times x: the sum in sixteen lanes.
struct Q8 {
  static constexpr size_t kBytes = 34;
  static __m512 multiply(const std::byte* weights, const float* x) {
    const __m512 sum = _mm512_mul_ps(widen_i8(load_16_bytes(weights)), _mm512_loadu_ps(x));
    return _mm512_fmadd_ps(widen_i8(load_16_bytes(weights + 16)), _mm512_loadu_ps(x + 16), sum);
  }
};
struct Q4 {
  static constexpr size_t kBytes = 18;
  static __m512 multiply(const std::byte* weights, const float* x) {
    const __m128i pairs = load_16_bytes(weights);
    const __m128i mask = _mm_set1_epi8(15);
    const __m128i eight = _mm_set1_epi8(8);
    const __m128i low = _mm_sub_epi8(_mm_and_si128(pairs, mask), eight);
    const __m128i high = _mm_sub_epi8(_mm_and_si128(_mm_srli_epi16(pairs, 4), mask), eight);
    const __m512 sum = _mm512_mul_ps(widen_i8(low), _mm512_loadu_ps(x));
    return _mm512_fmadd_ps(widen_i8(high), _mm512_loadu_ps(x + 16), sum);
  }
};

template <class Block, size_t row_count>
inline void multiply_blocks(const std::byte* rows, size_t row_bytes, const float* x, size_t columns,
                            float* out) {
  __m512 sums[row_count];
  for (size_t row = 0; row < row_count; ++row) sums[row] = _mm512_setzero_ps();
  size_t place = 0;
  for (size_t i = 0; i + 32 <= columns; i += 32, place += Block::kBytes) {
    for (size_t row = 0; row < row_count; ++row) {
      const std::byte* block = rows + row * row_bytes + place;
      prefetch(block);
      sums[row] =
          _mm512_fmadd_ps(Block::multiply(block + 2, x + i), broadcast_half(block), sums[row]);
    }
  }
  for (size_t row = 0; row < row_count; ++row) out[row] = sum_lanes(sums[row]);
}

template <class Element>
void element_rows(const std::byte* rows, size_t row_bytes, size_t row_count, const float* x,
                  size_t columns, float* out) {
  size_t row = 0;
  for (; row + kRowsTogether <= row_count; row += kRowsTogether) {
    multiply_elements<Element, kRowsTogether>(rows + row * row_bytes, row_bytes, x, columns,
                                              out + row);
  }
  for (; row < row_count; ++row) {
    multiply_elements<Element, 1>(rows + row * row_bytes, row_bytes, x, columns, out + row);
  }
}

template <class Block>
void block_rows(const std::byte* rows, size_t row_bytes, size_t row_count, const float* x,
                size_t columns, float* out) {
  size_t row = 0;
  for (; row + kRowsTogether <= row_count; row += kRowsTogether) {
    multiply_blocks<Block, kRowsTogether>(rows + row * row_bytes, row_bytes, x, columns, out + row);
  }
  for (; row < row_count; ++row) {
    multiply_blocks<Block, 1>(rows + row * row_bytes, row_bytes, x, columns, out + row);
  }
}

}  // namespace

constinit const RowKernels kRowAvx512 = {
    .name = "avx512",
    .f32 = element_rows<F32>,
    .f16 = element_rows<F16>,
    .bf16 = element_rows<BF16>,
    .i8 = element_rows<I8>,
    .q8_0 = block_rows<Q8>,
    .q4_0 = block_rows<Q4>,
};

}  // namespace qload::qrun
