// What PackedWeights hold: the block, and where in it tensors lie.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "qload/packed.h"
#include "runtime/load/loader_state.h"
#include "runtime/load/packed_store.h"
#include "runtime/load/weights_state.h"

namespace qload::internal {

struct PackedState {
  LentBlock memory;
  const ModelState* model = nullptr;
  PackedStore store;
  std::vector<const TensorInfo*> tensors;  ///< In load order.
};

/// Loads the stored bytes of tensors `numbers`, in increasing order. Errors as of Loader::load, and
/// of lay_out_packed.
Result<std::unique_ptr<PackedState>> load_packed_state(LoaderState& state, const ModelState& model,
                                                       std::span<const uint32_t> numbers,
                                                       const LoadOptions& options,
                                                       BlockSource source);

}  // namespace qload::internal
