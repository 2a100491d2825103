// A model as it lies on storage, and how long loads of it take on one device.
#pragma once

#include <cstdint>
#include <string>

#include "format/pack/cost_model.h"

namespace qload::tools {

/// One way to have the model on storage.
struct PlannedForm {
  std::string name;  ///< "plain", "packed", "packed for emmc", "this container"
  uint64_t bytes = 0;
  LoadTime cold;
  LoadTime cached;
};

/// A plain file is read into fresh memory and that is all: the shortest load that there is of it.
/// Of a packed load's fixed costs it has its first read's latency. Opening the container, reading
/// its index and starting threads are the packed load's own.
PlannedForm plain_form(uint64_t bytes, const TargetDevice& device);

PlannedForm packed_form(std::string name, uint64_t bytes, const LoadWork& work,
                        const TargetDevice& device);

}  // namespace qload::tools
