// The filter that suits an element type, for contenders that use one.
#pragma once

#include "format/filter/filter.h"
#include "qload/tensor.h"

namespace qload::bench {

/// Float planes where the exponent has eight bits or more, byte planes for other elements of
/// several bytes, the block fields of a ggml type where this build has them, else none.
FilterId weight_filter(DType dtype);

}  // namespace qload::bench
