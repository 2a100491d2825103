// Where tensors lie in one block of memory, or in one file that is mapped.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/load/model_state.h"

namespace qload::internal {

struct TensorLayout {
  std::vector<uint64_t> offsets;  ///< Of each tensor that was named, in their order.
  uint64_t end = 0;               ///< Behind the last.
};

/// Places the tensors `numbers` of `model` one after the other from `begin` on: each on a cache
/// line, those that may be read in place (see kInPlaceBytesMin) on the container's alignment, which
/// their file offsets have too. Nothing when they do not fit in 64 bits.
std::optional<TensorLayout> lay_out_tensors(const ModelState& model,
                                            std::span<const uint32_t> numbers, uint64_t begin);

}  // namespace qload::internal
