// A GGUF model, in one file or split over several as llama.cpp's gguf-split does.
#pragma once

#include <filesystem>

#include "format/base/file.h"
#include "format/input/model_source.h"
#include "qload/result.h"

namespace qload {

/// Adds the GGUF file `first`, opened from `path`, and the other parts of a split model, which lie
/// beside it and are found by name: PREFIX-00001-of-00003.gguf. A part that is not the first is
/// kInvalidArgument and names the first; a part that is missing is kNotFound. Errors name the file.
Status add_gguf(ModelSource& model, File first, const std::filesystem::path& path);

}  // namespace qload
