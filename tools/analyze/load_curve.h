// How long plain and packed loads take at any storage rate. Pure.
#pragma once

#include "format/pack/cost_model.h"
#include "tools/analyze/model_analysis.h"
#include "tools/profile/device_profile.h"

namespace qload::analyze {

/// `work` is that of the packed load; a plain one reads and touches `plain_bytes`. The curve goes
/// from 10 MB/s to 100 GB/s.
LoadPrediction predict_loads(const tools::DeviceProfile& target, uint64_t plain_bytes,
                             uint64_t container_bytes, const LoadWork& work);

}  // namespace qload::analyze
