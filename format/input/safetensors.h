// safetensors: a JSON header that says where each tensor lies, then the data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "format/base/file.h"
#include "format/input/model_source.h"
#include "qload/result.h"

namespace qload {

struct SafetensorsHeader {
  uint64_t header_bytes = 0;          ///< The length field and the JSON: where the data starts.
  std::vector<SourceTensor> tensors;  ///< By offset, which counts from the start of the file.
};

/// True when the first bytes can be those of a safetensors file: a header length that fits the
/// file, then '{'. Cheap; proves nothing.
Result<bool> looks_like_safetensors(const File& file);

/// Reads and proves the header: as strict as the safetensors library, and no key twice. Memory is
/// proportional to the header. Errors name tensor, field, value and offset, not the file.
Result<SafetensorsHeader> read_safetensors(const File& file);

/// Adds `file` to `model` as the safetensors file `path`. Errors name the file.
Status add_safetensors(ModelSource& model, File file, std::string path);

}  // namespace qload
