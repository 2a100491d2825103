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

/// A block that a Loader's pool counts as lent, once acquire_block has lent it.
struct LentBlock {
  LentBlock() = default;
  /// Gives the block to the Loader's pool where the Loader is still there, else to the system.
  ~LentBlock();
  LentBlock(const LentBlock&) = delete;
  LentBlock& operator=(const LentBlock&) = delete;

  DestinationBlock block;
  std::weak_ptr<DestinationPool> pool;
};

struct WeightsState {
  LentBlock memory;
  FileMapping mapping;              ///< Of an expanded file; then there is no block.
  std::vector<TensorView> tensors;  ///< In load order.
  std::vector<uint32_t> by_name;    ///< Positions in `tensors`, in byte order of their names.

  void sort_names();
};

}  // namespace qload::internal
