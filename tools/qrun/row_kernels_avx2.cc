// The products on AVX2, FMA and F16C: eight elements at a time become floats in a register.
//
// Four rows go side by side: they share the loads of x, and their sums, two for each row, are
// chains enough to hide the latency of a multiply-add. Compiled with its own flags; calls nothing
// of the standard library (docs/design.md, "Kernels").
#include <immintrin.h>

#include "tools/qrun/row_kernels_x86.h"

namespace qload::qrun {
namespace {

inline float sum_of_lanes(__m256 v) {
  __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  half = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

inline __m256 widen_i8(__m128i bytes) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)); }
inline __m128i load_8_bytes(const std::byte* from) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
}
inline __m128i load_16_bytes(const std::byte* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}
/// The half at `from` as a float in all lanes.
inline __m256 broadcast(const std::byte* from) {
  short bits;
  __builtin_memcpy(&bits, from, sizeof bits);
  return _mm256_cvtph_ps(_mm_set1_epi16(bits));
}

struct Avx2 : X86Products<Avx2> {
  static constexpr size_t kRowsTogether = 4;
  static constexpr size_t kLanes = 8;
  using Vector = __m256;
  static Vector zero() { return _mm256_setzero_ps(); }
  static Vector load_floats(const float* from) { return _mm256_loadu_ps(from); }
  static Vector multiply_add(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
  static Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static float sum_lanes(Vector v) { return sum_of_lanes(v); }
  static Vector broadcast_half(const std::byte* from) { return broadcast(from); }

  static constexpr size_t kCodes = 16;
  using Integers = __m256i;
  static Integers zero_integers() { return _mm256_setzero_si256(); }
  static Integers widen_codes(const void* from) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128(static_cast<const __m128i*>(from)));
  }
  static Integers add_products(Integers sum, Integers a, Integers b) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
  }
  static int32_t sum_integers(Integers v) {
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, _MM_SHUFFLE(1, 0, 3, 2)));
    return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 1)));
  }

  struct F32 {
    static constexpr size_t kBytes = 4;
    static __m256 load(const std::byte* from) {
      return _mm256_loadu_ps(reinterpret_cast<const float*>(from));
    }
    static float load_one(const std::byte* from) {
      float value;
      __builtin_memcpy(&value, from, sizeof value);
      return value;
    }
  };
  struct F16 {
    static constexpr size_t kBytes = 2;
    static __m256 load(const std::byte* from) { return _mm256_cvtph_ps(load_16_bytes(from)); }
    static float load_one(const std::byte* from) { return _mm256_cvtss_f32(broadcast(from)); }
  };
  struct BF16 {
    static constexpr size_t kBytes = 2;
    static __m256 load(const std::byte* from) {
      return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_16_bytes(from)), 16));
    }
    static float load_one(const std::byte* from) {
      unsigned short bits;
      __builtin_memcpy(&bits, from, sizeof bits);
      return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(static_cast<int>(bits) << 16)));
    }
  };
  struct I8 {
    static constexpr size_t kBytes = 1;
    static __m256 load(const std::byte* from) { return widen_i8(load_8_bytes(from)); }
    static float load_one(const std::byte* from) {
      return static_cast<float>(static_cast<signed char>(*from));
    }
  };

  /// A block's 32 weights without their scale, times x: the sum in eight lanes.
  struct Q8 {
    static constexpr size_t kBytes = 34;
    static __m256 multiply(const std::byte* weights, const float* x) {
      __m256 sum = _mm256_mul_ps(widen_i8(load_8_bytes(weights)), _mm256_loadu_ps(x));
      for (size_t i = 8; i < 32; i += 8) {
        sum = _mm256_fmadd_ps(widen_i8(load_8_bytes(weights + i)), _mm256_loadu_ps(x + i), sum);
      }
      return sum;
    }
  };
  struct Q4 {
    static constexpr size_t kBytes = 18;
    static __m256 multiply(const std::byte* weights, const float* x) {
      const __m128i pairs = load_16_bytes(weights);
      const __m128i mask = _mm_set1_epi8(15);
      const __m128i eight = _mm_set1_epi8(8);
      const __m128i low = _mm_sub_epi8(_mm_and_si128(pairs, mask), eight);
      const __m128i high = _mm_sub_epi8(_mm_and_si128(_mm_srli_epi16(pairs, 4), mask), eight);
      __m256 sum = _mm256_mul_ps(widen_i8(low), _mm256_loadu_ps(x));
      sum = _mm256_fmadd_ps(widen_i8(_mm_srli_si128(low, 8)), _mm256_loadu_ps(x + 8), sum);
      sum = _mm256_fmadd_ps(widen_i8(high), _mm256_loadu_ps(x + 16), sum);
      return _mm256_fmadd_ps(widen_i8(_mm_srli_si128(high, 8)), _mm256_loadu_ps(x + 24), sum);
    }
  };
};

}  // namespace

constinit const RowKernels kRowAvx2 = RowLoops<Avx2>::kernels("avx2");

}  // namespace qload::qrun
