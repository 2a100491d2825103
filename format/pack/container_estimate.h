// The size of a container that is not written: chunks of known sizes, laid out as the writer does.
// And what loading one that is there has to do.
#pragma once

#include <cstdint>
#include <functional>

#include "format/container/container_reader.h"
#include "format/input/model_source.h"
#include "format/pack/cost_model.h"
#include "format/pack/pack.h"
#include "format/pack/pack_plan.h"

namespace qload {

/// One chunk as it would be stored.
struct ChunkSize {
  uint64_t stored_bytes = 0;
  uint32_t stream_count = 1;
  bool raw = false;
};

struct ContainerEstimate {
  uint64_t container_bytes = 0;
  uint64_t index_bytes = 0;
  uint64_t kept_bytes = 0;  ///< Stored bytes of headers and companions, which no load reads.
  /// What a load of all tensors reads, and opening before it.
  uint64_t read_bytes() const { return container_bytes - kept_bytes; }
};

/// `size_of` tells the size of each item of `plan`. Exact when those sizes are.
ContainerEstimate estimate_container(
    const ModelSource& source, const PackPlan& plan, const PackOptions& options,
    const std::function<ChunkSize(uint64_t item, uint64_t decoded_bytes)>& size_of);

/// What a load of all tensors has to do, and opening before it, from a container's index.
LoadWork container_work(const Container& container, const TargetDevice& device);

}  // namespace qload
