// Which tensors of a model are loaded and evicted together.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "qload/cache.h"
#include "runtime/load/model_state.h"

namespace qload::internal {

struct CacheUnitTensors {
  std::vector<uint32_t> tensors;  ///< Numbers of the index, in load order.
  uint64_t bytes = 0;             ///< From the first's first byte to the last's last.
};

struct CacheUnits {
  std::vector<CacheUnitTensors> units;  ///< In load order of their first tensors.
  std::vector<uint32_t> unit_of;        ///< By tensor number.
  /// From the unit's first byte, which is on the container's alignment. By tensor number.
  std::vector<uint64_t> offset_of;
};

/// Groups all tensors of `model`. Nothing when a unit does not fit in 64 bits.
std::optional<CacheUnits> group_tensors(const ModelState& model, CacheUnit unit);

/// The part of a tensor's name that it shares with the other tensors of its expert, for example
/// "model.layers.0.mlp.experts.7"; the whole name when it belongs to none.
std::string_view expert_of(std::string_view tensor_name);

}  // namespace qload::internal
