// Writing safetensors headers.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tools/encode/output_tensor.h"

namespace qload::encode {

/// The pairs of __metadata__, in the order of writing.
using SafetensorsMetadata = std::vector<std::pair<std::string, std::string>>;

/// Places the tensors as the safetensors library does: wider types before narrower ones, each by
/// name; the header padded to 8 bytes. Names and metadata that are not UTF-8 get replacement
/// characters.
OutputLayout lay_out_safetensors_file(const SafetensorsMetadata& metadata,
                                      std::span<OutputTensor> tensors);

}  // namespace qload::encode
