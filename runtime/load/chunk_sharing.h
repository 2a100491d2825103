// How often tensors may share chunks.
#pragma once

#include <cstdint>

#include "qload/result.h"
#include "runtime/load/model_state.h"

namespace qload::internal {

/// A tensor may share its chunks with others (a duplicate), and a plan has a part for each tensor
/// that has a chunk, so an index may make the plan larger than itself. `parts` of a plan are held
/// to a multiple of the index plus some hundredths of the memory that the tensors fill:
/// kUnsupported beyond it.
Status check_chunk_sharing(const ModelState& model, uint64_t parts, uint64_t memory_bytes);

}  // namespace qload::internal
