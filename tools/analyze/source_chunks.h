// The chunks that packing a model file would cut.
#pragma once

#include <memory>
#include <stop_token>

#include "format/input/model_source.h"
#include "tools/analyze/chunked_model.h"

namespace qload::analyze {

Result<std::unique_ptr<ChunkedModel>> chunks_of_source(ModelSource source,
                                                       const OpenOptions& options,
                                                       ProgressMeter& progress,
                                                       std::stop_token stop);

}  // namespace qload::analyze
