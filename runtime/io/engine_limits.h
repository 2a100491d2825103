// The bounds of a read engine's queue.
#pragma once

#include <cstdint>

#include "format/base/format_text.h"
#include "qload/result.h"

namespace qload {

/// LoaderOptions::queue_depth's upper end: far more than the 8 that saturate the drive in
/// docs/performance.md, and a ring of it is under 1 MiB.
inline constexpr uint32_t kQueueDepthMax = 4096;

inline Status check_queue_depth(uint32_t depth) {
  if (depth >= 1 && depth <= kQueueDepthMax) return Ok{};
  return Error(ErrorCode::kInvalidArgument,
               text("queue depth ", depth, ", expected 1 to ", kQueueDepthMax));
}

}  // namespace qload
