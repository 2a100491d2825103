#include "tools/plan/planned_form.h"

#include <algorithm>
#include <utility>

namespace qload::tools {

PlannedForm plain_form(uint64_t bytes, const TargetDevice& device) {
  TargetDevice plain = device;
  plain.overhead_seconds = std::min(device.overhead_seconds, device.storage_latency_seconds);
  const LoadWork work{.read_bytes = bytes, .decoded_bytes = bytes};
  const LoadTime cold = model_load(plain, work);
  plain.overhead_seconds = 0;  // Storage is not read.
  return {"plain", bytes, cold, model_cached_load(plain, work)};
}

PlannedForm packed_form(std::string name, uint64_t bytes, const LoadWork& work,
                        const TargetDevice& device) {
  return {std::move(name), bytes, model_load(device, work), model_cached_load(device, work)};
}

}  // namespace qload::tools
