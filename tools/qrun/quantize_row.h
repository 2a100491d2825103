// An input of a linear as signed bytes: what W8A8 engines multiply.
#pragma once

#include <cstdint>
#include <span>

namespace qload::qrun {

/// codes[i] = in[i] / scale, rounded to the nearest, ties to even, in [-127, 127]; returns the
/// scale, which is max |in| / 127. A row of zeros has scale 0; one with an infinity or NaN has
/// codes of 0 and scale NaN, so that results are NaN as they are with floats. `codes` has
/// in.size().
float quantize_row(std::span<const float> in, int8_t* codes);

/// The largest |in[i]|; infinity or NaN when there is one.
float largest_magnitude(std::span<const float> in);

/// largest[i] = max(largest[i], |in[i]|); infinity and NaN stay.
void raise_magnitudes(std::span<float> largest, std::span<const float> in);

}  // namespace qload::qrun
