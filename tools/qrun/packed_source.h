// Weights kept in memory as they are stored: products decode them strip by strip.
#pragma once

#include <memory>

#include "qload/result.h"
#include "tools/qrun/model_file.h"
#include "tools/qrun/weight_plan.h"
#include "tools/qrun/weight_source.h"

namespace qload::qrun {

/// Matrices stay packed; norms and scales, which are small, are decoded. REQUIRES: model.packed();
/// the arguments outlive the source.
Result<std::unique_ptr<WeightSource>> open_packed_source(const ModelFile& model,
                                                         const WeightPlan& plan,
                                                         const WeightOptions& options);

}  // namespace qload::qrun
