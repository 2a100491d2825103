// Compares loaded tensors with the model file they were packed from.
#pragma once

#include <filesystem>
#include <span>

#include "format/input/model_source.h"
#include "qload/result.h"
#include "qload/tensor.h"

namespace qload::tools {

/// Names, types, shapes and every byte. kCorrupt names the first tensor and byte that differ;
/// kNotFound a loaded tensor the source lacks. With `all` the source may not have more tensors
/// than were loaded.
Status check_against_source(std::span<const TensorView> tensors, const ModelSource& source,
                            bool all);

}  // namespace qload::tools
