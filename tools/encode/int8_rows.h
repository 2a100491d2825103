// INT8 weights as the paper makes them: equations 2 and 4, on a tensor, a row or a column.
#pragma once

#include <cstddef>
#include <span>

namespace qload::encode {

/// The largest absolute value; 0 without values. REQUIRES: no NaN.
float largest_magnitude(std::span<const float> values);

/// What a largest absolute value `absolute_max` makes of its group of weights.
struct Int8Step {
  float factor = 0;  ///< 127 / max: code = factor * weight, rounded to nearest, ties to even.
  float scale = 0;   ///< max / 127: weight = scale * code.
};

/// Both are 0 when all weights are 0, or so near (max below 2^-121) that 127 / max has no float:
/// the codes are then 0 as well.
Int8Step int8_step(float absolute_max);

/// out[i] = round(factor * row[i]). REQUIRES: factor * |row[i]| below 128.
void encode_int8(std::span<const float> row, float factor, std::byte* out);
/// out[i] = round(factors[i] * row[i]): a factor for each column.
void encode_int8(std::span<const float> row, std::span<const float> factors, std::byte* out);

}  // namespace qload::encode
