// What Weights hold: the block or the mapping, and views into it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "qload/loader.h"
#include "runtime/memory/destination_block.h"
#include "runtime/memory/destination_pool.h"
#include "runtime/memory/file_mapping.h"

namespace qload::internal {

struct WeightsState {
  WeightsState() = default;
  /// Gives the block to the Loader's pool where the Loader is still there, else to the system.
  ~WeightsState();
  WeightsState(const WeightsState&) = delete;
  WeightsState& operator=(const WeightsState&) = delete;

  DestinationBlock block;
  FileMapping mapping;  ///< Of an expanded file; then there is no block.
  std::weak_ptr<DestinationPool> pool;
  std::vector<TensorView> tensors;  ///< In load order.
  std::vector<uint32_t> by_name;    ///< Positions in `tensors`, in byte order of their names.

  void sort_names();
};

}  // namespace qload::internal
