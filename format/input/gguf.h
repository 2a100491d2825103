// GGUF: key-values, tensor descriptions, then the data, all little-endian binary.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "format/base/file.h"
#include "format/input/model_source.h"
#include "qload/result.h"

namespace qload {

struct GgufHeader {
  uint32_t version = 0;    ///< 2 or 3.
  uint64_t alignment = 0;  ///< Of tensors in the data section.
  /// Where the data section starts; the file's size where a file without tensors ends before.
  uint64_t header_bytes = 0;
  std::vector<SourceTensor> tensors;  ///< By offset, which counts from the start of the file.

  /// A model split over files, as llama.cpp's gguf-split writes them. Absent: not split.
  std::optional<uint64_t> split_number;   ///< "split.no", from 0.
  std::optional<uint64_t> split_count;    ///< "split.count".
  std::optional<uint64_t> split_tensors;  ///< "split.tensors.count", of all files together.
};

/// True when the file starts with "GGUF".
Result<bool> looks_like_gguf(const File& file);

/// Reads and proves the header: as strict as ggml's gguf.cpp. Reads incrementally: memory follows
/// the tensors and keys that are really there. Big-endian files, versions other than 2 and 3 and
/// unknown tensor types are kUnsupported. Errors name the field and its offset, not the file.
Result<GgufHeader> read_gguf(const File& file);

}  // namespace qload
