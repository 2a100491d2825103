// The key-value pairs of a GGUF header as pieces of its bytes, to be written again.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "qload/result.h"

namespace qload::quantize {

/// Both are parts of the header.
struct GgufPair {
  std::string_view key;
  std::span<const std::byte> bytes;  ///< Key, type and value.
};

/// The pairs of a header that read_gguf has proven, in their order. kCorrupt when it has changed
/// since.
Result<std::vector<GgufPair>> list_gguf_pairs(std::span<const std::byte> header);

}  // namespace qload::quantize
