// safetensors models of more than one file.
#pragma once

#include <filesystem>

#include "format/input/model_source.h"
#include "qload/result.h"

namespace qload {

/// The end of an index's name.
inline constexpr const char* kSafetensorsIndexSuffix = ".safetensors.index.json";

/// Opens the shards that the index at `path` names, from its directory; the index itself is kept
/// as a companion. Every tensor of the index must be in its shard, and the other way round.
Result<ModelSource> open_safetensors_index(const std::filesystem::path& path);

/// Opens a directory: by its index when it has one, else all *.safetensors files in it. Small text
/// files beside them (configuration, tokenizer, licence) are kept as companions; every other
/// entry is listed in left_out(), directories with a '/' at the end.
Result<ModelSource> open_safetensors_directory(const std::filesystem::path& path);

}  // namespace qload
