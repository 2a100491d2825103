// The chunks that a container has.
#pragma once

#include <memory>

#include "format/container/container_reader.h"
#include "tools/analyze/chunked_model.h"

namespace qload::analyze {

std::unique_ptr<ChunkedModel> chunks_of_container(Container container);

}  // namespace qload::analyze
