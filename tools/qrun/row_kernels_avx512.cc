// The products on AVX-512: sixteen elements at a time become floats in a register.
//
// Eight rows go side by side: they share the loads of x, and their sums, two for each row, are
// chains enough to hide the latency of a multiply-add. Compiled with its own flags; calls nothing
// of the standard library (docs/design.md, "Kernels").
#include <immintrin.h>

#include "tools/qrun/row_kernels_x86.h"

namespace qload::qrun {
namespace {

inline float sum_of_lanes(__m512 v) { return _mm512_reduce_add_ps(v); }

inline __m512 widen_i8(__m128i bytes) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)); }
inline __m128i load_16_bytes(const std::byte* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}
inline __m256i load_32_bytes(const std::byte* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}
/// The half at `from` as a float in all lanes.
inline __m512 broadcast(const std::byte* from) {
  short bits;
  __builtin_memcpy(&bits, from, sizeof bits);
  return _mm512_cvtph_ps(_mm256_set1_epi16(bits));
}

struct Avx512 : X86Products<Avx512> {
  static constexpr size_t kRowsTogether = 8;
  static constexpr size_t kLanes = 16;
  using Vector = __m512;
  static Vector zero() { return _mm512_setzero_ps(); }
  static Vector load_floats(const float* from) { return _mm512_loadu_ps(from); }
  static Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
  static Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static float sum_lanes(Vector v) { return sum_of_lanes(v); }
  static Vector broadcast_half(const std::byte* from) { return broadcast(from); }

  static constexpr size_t kCodes = 32;
  using Integers = __m512i;
  static Integers zero_integers() { return _mm512_setzero_si512(); }
  static Integers widen_codes(const void* from) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256(static_cast<const __m256i*>(from)));
  }
  static Integers add_products(Integers sum, Integers a, Integers b) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
  }
  static int32_t sum_integers(Integers v) { return _mm512_reduce_add_epi32(v); }

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
    static float load_one(const std::byte* from) { return _mm512_cvtss_f32(broadcast(from)); }
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
};

}  // namespace

constinit const RowKernels kRowAvx512 = RowLoops<Avx512>::kernels("avx512");

}  // namespace qload::qrun
