// The key-value section of a GGUF file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "format/input/gguf.h"
#include "format/input/header_cursor.h"
#include "qload/result.h"

namespace qload {

/// ggml's limit on the length of a string (gguf.cpp, GGUF_MAX_STRING_LENGTH).
inline constexpr uint64_t kGgufStringBytesMax = 1u << 30;

/// A string: its length in 8 bytes, then the bytes. `bytes_max` bounds what is accepted.
Result<std::string> read_gguf_string(HeaderCursor& cursor, uint64_t bytes_max,
                                     std::string_view what);

/// Steps over `count` key-value pairs and proves them; no key may occur twice. Fills in
/// alignment (32 without the key) and the split fields of `header`.
Status read_gguf_keys(HeaderCursor& cursor, uint64_t count, GgufHeader& header);

}  // namespace qload
