// Weights that keep their place for all passes: loaded, read or mapped.
#pragma once

#include <memory>

#include "qload/result.h"
#include "tools/qrun/model_file.h"
#include "tools/qrun/weight_plan.h"
#include "tools/qrun/weight_source.h"

namespace qload::qrun {

/// Decodes a container with qload::Loader. REQUIRES: model.packed().
Result<std::unique_ptr<WeightSource>> load_packed_weights(const ModelFile& model,
                                                          const WeightPlan& plan);
/// Reads all tensors into one block of memory. REQUIRES: model.plain().
Result<std::unique_ptr<WeightSource>> read_plain_weights(const ModelFile& model,
                                                         const WeightPlan& plan);
/// Maps the files. One that is truncated while it is mapped ends the process with SIGBUS.
/// REQUIRES: model.plain().
Result<std::unique_ptr<WeightSource>> map_plain_weights(const ModelFile& model,
                                                        const WeightPlan& plan);

}  // namespace qload::qrun
