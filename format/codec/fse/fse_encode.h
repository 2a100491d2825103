// Encoding one fse stream, as docs/format_fse.md lays it out.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "format/codec/fse/fse_table.h"

namespace qload {

/// An encoder's working memory: as large as the largest stream needed so far.
struct FseEncodeMemory {
  FseEncodeTable table;
  std::vector<std::byte> lanes;
};

/// Writes `decoded` to the front of `stored` and returns its size, or nothing when it does not fit.
/// What would not become smaller is written in stored form, one byte longer than it was.
std::optional<size_t> encode_fse(std::span<const std::byte> decoded, std::span<std::byte> stored,
                                 FseEncodeMemory& memory);

}  // namespace qload
