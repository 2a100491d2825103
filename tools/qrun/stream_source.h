// Weights streamed from a container, layer after layer, in every pass.
#pragma once

#include <memory>

#include "qload/result.h"
#include "tools/qrun/model_file.h"
#include "tools/qrun/weight_plan.h"
#include "tools/qrun/weight_source.h"

namespace qload::qrun {

/// A step is a group of Loader::stream, held while it is computed. REQUIRES: model.packed(); the
/// arguments outlive the source.
Result<std::unique_ptr<WeightSource>> open_stream_source(const ModelFile& model,
                                                         const WeightPlan& plan,
                                                         const WeightOptions& options);

}  // namespace qload::qrun
