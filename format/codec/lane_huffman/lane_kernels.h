// The kernels of this build, one for each file.
#pragma once

#include "format/codec/lane_huffman/lane_kernel.h"

namespace qload {

extern const LaneKernel kLaneScalar;
#if defined(__x86_64__)
extern const LaneKernel kLaneSse;
extern const LaneKernel kLaneAvx2;
extern const LaneKernel kLaneAvx512;
#elif defined(__aarch64__)
extern const LaneKernel kLaneNeon;
#endif

}  // namespace qload
