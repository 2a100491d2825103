// Which numbers the bytes of an element type stand for.
#pragma once

#include <cstdint>

#include "qload/tensor.h"

namespace qload::analyze {

/// How values of a type are looked at.
enum class ValueReading : uint8_t {
  kNone,    ///< Not as numbers: blocks with scales of their own, values that share a byte, complex.
  kCodes8,  ///< One byte each: integers, F8, BOOL.
  kCodes16,  ///< Two bytes each: BF16, F16, I16, U16.
  kWide,     ///< Four or eight bytes each.
  kQuants8,  ///< Blocks whose 8-bit quants are counted, without their scales: Q8_0, Q8_1, Q8_K.
  kQuants4,  ///< Blocks whose 4-bit quants are.
};
ValueReading value_reading(DType dtype);

/// Whole-value codes have this many bytes: 1 or 2; 0 for types whose values are not counted whole.
uint32_t whole_value_bytes(DType dtype);

/// The number that a code stands for; NaN and infinities where the type has them.
/// REQUIRES: value_reading(dtype) is kCodes8 or kCodes16.
double code_value(DType dtype, uint16_t code);

/// The stream of block_filter_of(dtype) that holds the quants. REQUIRES: kQuants8 or kQuants4.
uint32_t quant_stream(DType dtype);

}  // namespace qload::analyze
