// IEEE 754 binary16, by arithmetic: the compilers' own type needs newer ones than qload does.
#pragma once

#include <cstdint>

namespace qload::encode {

/// The nearest half, ties to even; infinity from 65520 on.
uint16_t to_half(float value);
float float_of_half(uint16_t half);

}  // namespace qload::encode
