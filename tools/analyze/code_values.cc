#include "tools/analyze/code_values.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "format/base/assert.h"

namespace qload::analyze {
namespace {

/// A float of a sign, `exponent_bits` and `mantissa_bits`.
struct SmallFloat {
  int exponent_bits;
  int mantissa_bits;
  int bias;
  enum class Specials : uint8_t {
    kIeee,      ///< The highest exponent is infinity (mantissa 0) and NaN.
    kOnlyNan,   ///< The highest exponent and mantissa together are NaN; no infinity.
    kUnsigned,  ///< What would be -0 is NaN; no infinity.
  } specials;
};
using enum SmallFloat::Specials;

constexpr SmallFloat kHalf = {5, 10, 15, kIeee};
constexpr SmallFloat kE4M3 = {4, 3, 7, kOnlyNan};
constexpr SmallFloat kE5M2 = {5, 2, 15, kIeee};
constexpr SmallFloat kE4M3Fnuz = {4, 3, 8, kUnsigned};
constexpr SmallFloat kE5M2Fnuz = {5, 2, 16, kUnsigned};

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double small_float(const SmallFloat& form, uint32_t code) {
  const uint32_t mantissa_mask = (1u << form.mantissa_bits) - 1;
  const uint32_t exponent_mask = (1u << form.exponent_bits) - 1;
  const uint32_t mantissa = code & mantissa_mask;
  const uint32_t exponent = code >> form.mantissa_bits & exponent_mask;
  const bool negative = (code >> (form.mantissa_bits + form.exponent_bits) & 1) != 0;
  if (form.specials == kUnsigned && negative && exponent == 0 && mantissa == 0) return kNan;
  if (exponent == exponent_mask) {
    if (form.specials == kIeee && mantissa != 0) return kNan;
    if (form.specials == kIeee) return negative ? -INFINITY : INFINITY;
    if (form.specials == kOnlyNan && mantissa == mantissa_mask) return kNan;
  }
  const uint32_t leading = exponent == 0 ? 0 : 1u << form.mantissa_bits;
  const int power = std::max(static_cast<int>(exponent), 1) - form.bias - form.mantissa_bits;
  const double value = std::ldexp(static_cast<double>(leading + mantissa), power);
  return negative ? -value : value;
}

}  // namespace

ValueReading value_reading(DType dtype) {
  switch (dtype) {
    case DType::kI8:
    case DType::kU8:
    case DType::kBool:
    case DType::kF8E4M3:
    case DType::kF8E5M2:
    case DType::kF8E8M0:
    case DType::kF8E4M3Fnuz:
    case DType::kF8E5M2Fnuz:
      return ValueReading::kCodes8;
    case DType::kF16:
    case DType::kBF16:
    case DType::kI16:
    case DType::kU16:
      return ValueReading::kCodes16;
    case DType::kF32:
    case DType::kF64:
    case DType::kI32:
    case DType::kU32:
    case DType::kI64:
    case DType::kU64:
      return ValueReading::kWide;
    case DType::kQ8_0:
    case DType::kQ8_1:
    case DType::kQ8_K:
      return ValueReading::kQuants8;
    case DType::kQ4_0:
    case DType::kQ4_1:
    case DType::kQ4_K:
    case DType::kIQ4_NL:
    case DType::kIQ4_XS:
    case DType::kMXFP4:
    case DType::kNVFP4:
      return ValueReading::kQuants4;
    default:
      return ValueReading::kNone;
  }
}

uint32_t whole_value_bytes(DType dtype) {
  const ValueReading reading = value_reading(dtype);
  return reading == ValueReading::kCodes8 ? 1 : reading == ValueReading::kCodes16 ? 2 : 0;
}

double code_value(DType dtype, uint16_t code) {
  switch (dtype) {
    case DType::kI8:
      return static_cast<int8_t>(code);
    case DType::kU8:
    case DType::kBool:
    case DType::kU16:
      return code;
    case DType::kI16:
      return static_cast<int16_t>(code);
    case DType::kBF16:
      return std::bit_cast<float>(static_cast<uint32_t>(code) << 16);
    case DType::kF16:
      return small_float(kHalf, code);
    case DType::kF8E4M3:
      return small_float(kE4M3, code);
    case DType::kF8E5M2:
      return small_float(kE5M2, code);
    case DType::kF8E4M3Fnuz:
      return small_float(kE4M3Fnuz, code);
    case DType::kF8E5M2Fnuz:
      return small_float(kE5M2Fnuz, code);
    case DType::kF8E8M0:
      return code == 255 ? kNan : std::ldexp(1.0, static_cast<int>(code) - 127);
    default:
      QLOAD_ASSERT(false);
  }
  return 0;
}

uint32_t quant_stream(DType dtype) {
  switch (dtype) {
    case DType::kQ4_1:
    case DType::kQ8_1:
      return 3;
    case DType::kQ4_K:
      return 6;
    case DType::kIQ4_XS:
      return 4;
    case DType::kMXFP4:
    case DType::kNVFP4:
      return 1;
    default:
      return 2;  // d, in two bytes, stands before.
  }
}

}  // namespace qload::analyze
