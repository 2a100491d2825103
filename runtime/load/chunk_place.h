// Where a chunk is, for messages.
#pragma once

#include <cstdint>
#include <string>

#include "format/base/format_text.h"
#include "format/container/container_reader.h"

namespace qload {

/// "model.qpk": tensor "a", decoded offset 0, container offset 4096.
inline std::string describe_place(const Container& container, const ChunkRecord& chunk,
                                  uint32_t tensor) {
  const Index& index = container.index;
  return text(quote(container.file.name()), ": tensor ", quote(index.name(index.tensors()[tensor])),
              ", decoded offset ", chunk.decoded_offset, ", container offset ", chunk.offset);
}

}  // namespace qload
