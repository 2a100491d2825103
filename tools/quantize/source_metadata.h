// What a safetensors model says about itself: the strings of __metadata__.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "format/input/model_source.h"
#include "qload/result.h"
#include "tools/encode/safetensors_header.h"

namespace qload::quantize {

/// The pairs of all files' __metadata__, by key; of a key with several values that of the first
/// file. Empty for other formats.
Result<encode::SafetensorsMetadata> read_source_metadata(const ModelSource& source);

/// The value of `key`, or nothing.
std::optional<std::string_view> find_metadata(const encode::SafetensorsMetadata& metadata,
                                              std::string_view key);

}  // namespace qload::quantize
