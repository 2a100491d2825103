// The windows through which an expanded file is written. Pure: no files, threads or clocks.
#pragma once

#include <cstdint>
#include <vector>

#include "format/base/limits.h"
#include "format/container/index.h"
#include "runtime/load/tensor_layout.h"
#include "runtime/plan/read_plan.h"

namespace qload::internal {

/// Chunks of one tensor that one window decodes.
struct ExpandPart {
  uint32_t tensor = 0;
  ChunkRange chunks;
  uint64_t offset = 0;  ///< In the file.
  uint64_t bytes = 0;
};

/// A stretch of the file that is decoded into one buffer, and written at once.
struct ExpandWindow {
  uint64_t begin = 0;  ///< In the file, on the alignment: the buffer's first byte.
  std::vector<ExpandPart> parts;

  uint64_t write_begin() const { return parts.front().offset; }
  uint64_t end() const { return parts.back().offset + parts.back().bytes; }
};

/// Memory of one window: any chunk, on any alignment.
inline constexpr uint64_t kWindowBytes = kChunkBytesMax + kAlignmentMax;

/// Cuts all tensors, placed by `layout`, into windows of up to kWindowBytes at the borders of
/// chunks, in file order. Tensors without bytes are in none.
std::vector<ExpandWindow> plan_windows(const Index& index, const TensorLayout& layout,
                                       uint64_t alignment);

}  // namespace qload::internal
