// Weights read again in each pass: what an engine does that has plain files and little memory.
#pragma once

#include <memory>

#include "qload/result.h"
#include "tools/qrun/model_file.h"
#include "tools/qrun/weight_plan.h"
#include "tools/qrun/weight_source.h"

namespace qload::qrun {

/// Reads the next step while the engine computes on this one: two buffers of the largest step, and
/// the resident tensors. REQUIRES: model.plain(); the arguments outlive the source.
Result<std::unique_ptr<WeightSource>> open_read_source(const ModelFile& model,
                                                       const WeightPlan& plan,
                                                       const WeightOptions& options);

}  // namespace qload::qrun
