// Weights kept packed: where their stored bytes lie in memory, and what decodes them from there.
// Pure, like read_plan.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "format/container/index.h"
#include "qload/result.h"
#include "runtime/plan/read_plan.h"

namespace qload {

/// The stored bytes of tensors in one block of memory.
struct PackedLayout {
  std::vector<uint64_t> offsets;  ///< Of each tensor's first chunk, as asked; 0 for an empty one.
  uint64_t block_bytes = 0;
  uint64_t stored_bytes = 0;  ///< Of all chunks, a shared one counted once: less by the padding.
};

/// Lays out `tensors` for PlanOptions::stored. Chunks of a tensor lie as far apart as in the file,
/// and so do neighbours in the file where little lies between them; every chunk agrees with its
/// offset in the container modulo `alignment`, the container's, when the block stands on it.
/// Tensors that share their chunks share the place. kUnsupported for a tensor whose chunks lie
/// scattered: more than two alignments of padding to each.
Result<PackedLayout> lay_out_packed(const Index& index, std::span<const uint32_t> tensors,
                                    uint64_t alignment);

/// A plan without reads: the chunks of `tensors`, whose stored bytes lie in memory already, in the
/// order of the file. PlanChunk::read_offset is 0.
ReadPlan make_decode_plan(const Index& index, std::span<const PlanTensor> tensors);

}  // namespace qload
