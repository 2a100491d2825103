// PackedStore: where the stored bytes of tensors lie in memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "format/base/assert.h"
#include "format/container/index.h"

namespace qload::internal {

/// Views of memory that someone else owns. Immutable once filled; any thread may read it.
struct PackedStore {
  struct Run {
    uint32_t tensor = 0;  ///< Number in Index::tensors().
    const std::byte* first =
        nullptr;  ///< Its first chunk; the others lie as far on as in the file.
  };

  /// Where a tensor lies; null when it is not kept.
  const Run* find(uint32_t tensor) const {
    const auto found = std::ranges::lower_bound(runs, tensor, {}, &Run::tensor);
    return found != runs.end() && found->tensor == tensor ? &*found : nullptr;
  }

  /// The stored bytes of one of the tensor's chunks. REQUIRES: the tensor is kept.
  std::span<const std::byte> stored(const Index& index, uint32_t tensor,
                                    const ChunkRecord& chunk) const {
    const Run* run = find(tensor);
    QLOAD_ASSERT(run != nullptr);
    const ChunkRecord& first = index.chunks()[index.tensors()[tensor].first_chunk];
    return {run->first + (chunk.offset - first.offset), chunk.stored_bytes};
  }

  std::vector<Run> runs;  ///< By tensor.
  bool checked = false;   ///< The checksums of the stored bytes have been found right.
};

}  // namespace qload::internal
