// The products on NEON: sixteen elements at a time become floats in four registers.
//
// Four rows go side by side: they share the loads of x, and their sums, two for each row, are
// chains enough to hide the latency of a multiply-add.
#include <arm_neon.h>

#include "tools/qrun/row_loops.h"

namespace qload::qrun {
namespace {

/// Sixteen elements, or a quarter of that four times.
struct Sixteen {
  float32x4_t part[4];
};

inline float float_of(const std::byte* half) {
  uint16_t bits;
  __builtin_memcpy(&bits, half, sizeof bits);
  return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(bits))), 0);
}
inline const uint8_t* as_u8(const std::byte* from) {
  return reinterpret_cast<const uint8_t*>(from);
}
inline Sixteen widen_i8(int8x16_t bytes) {
  const int16x8_t low = vmovl_s8(vget_low_s8(bytes));
  const int16x8_t high = vmovl_s8(vget_high_s8(bytes));
  return {{vcvtq_f32_s32(vmovl_s16(vget_low_s16(low))),
           vcvtq_f32_s32(vmovl_s16(vget_high_s16(low))),
           vcvtq_f32_s32(vmovl_s16(vget_low_s16(high))),
           vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)))}};
}

/// Adds half a block's weights, without their scale, times x.
inline float32x4_t multiply_add(float32x4_t sum, int8x16_t weights, const float* x) {
  const Sixteen w = widen_i8(weights);
  for (int i = 0; i < 4; ++i) sum = vfmaq_f32(sum, w.part[i], vld1q_f32(x + 4 * i));
  return sum;
}

struct Neon {
  static constexpr size_t kRowsTogether = 4;

  struct F32 {
    static constexpr size_t kBytes = 4;
    static Sixteen load(const std::byte* from) {
      Sixteen out;
      for (int i = 0; i < 4; ++i) {
        out.part[i] = vreinterpretq_f32_u8(vld1q_u8(as_u8(from) + 16 * i));
      }
      return out;
    }
    static float load_one(const std::byte* from) {
      float value;
      __builtin_memcpy(&value, from, sizeof value);
      return value;
    }
  };
  struct F16 {
    static constexpr size_t kBytes = 2;
    static Sixteen load(const std::byte* from) {
      Sixteen out;
      for (int i = 0; i < 4; ++i) {
        out.part[i] = vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(as_u8(from) + 8 * i)));
      }
      return out;
    }
    static float load_one(const std::byte* from) { return float_of(from); }
  };
  struct BF16 {
    static constexpr size_t kBytes = 2;
    static Sixteen load(const std::byte* from) {
      Sixteen out;
      for (int i = 0; i < 4; ++i) {
        const uint16x4_t bits = vreinterpret_u16_u8(vld1_u8(as_u8(from) + 8 * i));
        out.part[i] = vreinterpretq_f32_u32(vshll_n_u16(bits, 16));
      }
      return out;
    }
    static float load_one(const std::byte* from) {
      uint16_t bits;
      __builtin_memcpy(&bits, from, sizeof bits);
      const uint32_t wide = static_cast<uint32_t>(bits) << 16;
      float value;
      __builtin_memcpy(&value, &wide, sizeof value);
      return value;
    }
  };
  struct I8 {
    static constexpr size_t kBytes = 1;
    static Sixteen load(const std::byte* from) {
      return widen_i8(vreinterpretq_s8_u8(vld1q_u8(as_u8(from))));
    }
    static float load_one(const std::byte* from) {
      return static_cast<float>(static_cast<signed char>(*from));
    }
  };

  struct Q8 {
    static constexpr size_t kBytes = 34;
    static float32x4_t multiply(const std::byte* weights, const float* x) {
      const float32x4_t zero = vdupq_n_f32(0);
      const float32x4_t low = multiply_add(zero, vreinterpretq_s8_u8(vld1q_u8(as_u8(weights))), x);
      const float32x4_t high =
          multiply_add(zero, vreinterpretq_s8_u8(vld1q_u8(as_u8(weights) + 16)), x + 16);
      return vaddq_f32(low, high);
    }
  };
  struct Q4 {
    static constexpr size_t kBytes = 18;
    static float32x4_t multiply(const std::byte* weights, const float* x) {
      const uint8x16_t pairs = vld1q_u8(as_u8(weights));
      const int8x16_t eight = vdupq_n_s8(8);
      const int8x16_t low = vsubq_s8(vreinterpretq_s8_u8(vandq_u8(pairs, vdupq_n_u8(15))), eight);
      const int8x16_t high = vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(pairs, 4)), eight);
      const float32x4_t zero = vdupq_n_f32(0);
      return vaddq_f32(multiply_add(zero, low, x), multiply_add(zero, high, x + 16));
    }
  };

  template <class Element, size_t row_count>
  static inline void elements(const std::byte* rows, size_t row_bytes, const float* x,
                              size_t columns, float* out) {
    float32x4_t even[row_count];
    float32x4_t odd[row_count];
    for (size_t row = 0; row < row_count; ++row) even[row] = odd[row] = vdupq_n_f32(0);
    size_t i = 0;
    for (; i + 16 <= columns; i += 16) {
      for (size_t row = 0; row < row_count; ++row) {
        const Sixteen w = Element::load(rows + row * row_bytes + i * Element::kBytes);
        even[row] = vfmaq_f32(even[row], w.part[0], vld1q_f32(x + i));
        odd[row] = vfmaq_f32(odd[row], w.part[1], vld1q_f32(x + i + 4));
        even[row] = vfmaq_f32(even[row], w.part[2], vld1q_f32(x + i + 8));
        odd[row] = vfmaq_f32(odd[row], w.part[3], vld1q_f32(x + i + 12));
      }
    }
    for (size_t row = 0; row < row_count; ++row) {
      float sum = vaddvq_f32(vaddq_f32(even[row], odd[row]));
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
    float32x4_t sums[row_count];
    for (size_t row = 0; row < row_count; ++row) sums[row] = vdupq_n_f32(0);
    size_t place = 0;
    for (size_t i = 0; i + 32 <= columns; i += 32, place += Block::kBytes) {
      for (size_t row = 0; row < row_count; ++row) {
        const std::byte* block = rows + row * row_bytes + place;
        sums[row] = vfmaq_n_f32(sums[row], Block::multiply(block + 2, x + i), float_of(block));
      }
    }
    for (size_t row = 0; row < row_count; ++row) out[row] = vaddvq_f32(sums[row]);
  }

  template <size_t row_count>
  static inline void integers(const std::byte* rows, size_t row_bytes, const int8_t* x,
                              size_t columns, int32_t* out) {
    int32x4_t sums[row_count];
    for (size_t row = 0; row < row_count; ++row) sums[row] = vdupq_n_s32(0);
    size_t i = 0;
    for (; i + 16 <= columns; i += 16) {
      const int8x16_t codes = vld1q_s8(x + i);
      for (size_t row = 0; row < row_count; ++row) {
        const int8x16_t weights = vreinterpretq_s8_u8(vld1q_u8(as_u8(rows + row * row_bytes + i)));
        // Two products of -128 and 127 fit 16 bits.
        const int16x8_t low = vmull_s8(vget_low_s8(weights), vget_low_s8(codes));
        const int16x8_t pairs = vmlal_s8(low, vget_high_s8(weights), vget_high_s8(codes));
        sums[row] = vpadalq_s16(sums[row], pairs);
      }
    }
    for (size_t row = 0; row < row_count; ++row) {
      int32_t sum = vaddvq_s32(sums[row]);
      for (size_t j = i; j < columns; ++j) {
        sum += static_cast<signed char>(rows[row * row_bytes + j]) * x[j];
      }
      out[row] = sum;
    }
  }
};

}  // namespace

constinit const RowKernels kRowNeon = RowLoops<Neon>::kernels("neon");

}  // namespace qload::qrun
