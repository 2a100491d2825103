// What an opened Model holds. The Loader reads it; nothing else does.
#pragma once

#include <cstdint>
#include <vector>

#include "format/container/container_reader.h"
#include "qload/model.h"
#include "qload/tensor.h"

namespace qload::internal {

/// Immutable once Model::open has made it. Tensor number n of the index is tensors[n].
struct ModelState {
  Container container;
  std::vector<TensorInfo> tensors;    ///< Names and shapes point into container.index.
  std::vector<SourceFileInfo> files;  ///< Paths point into container.index.
  Digest digest;
  uint32_t layer_count = 0;  ///< Different (stack, layer) pairs.
  uint64_t decoded_bytes = 0;
};

}  // namespace qload::internal
