// What Weights hold: the block, and views into it.
#pragma once

#include <cstdint>
#include <vector>

#include "qload/loader.h"
#include "runtime/memory/destination_block.h"

namespace qload::internal {

struct WeightsState {
  DestinationBlock block;
  std::vector<TensorView> tensors;  ///< In load order.
  std::vector<uint32_t> by_name;    ///< Positions in `tensors`, in byte order of their names.

  void sort_names();
};

}  // namespace qload::internal
