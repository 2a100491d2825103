#include "runtime/load/chunk_sharing.h"

#include <algorithm>

#include "format/base/format_text.h"

namespace qload::internal {

namespace {

constexpr uint64_t kSharingMax = 16;

// A part for each so many bytes of memory: the size from which this project's packer shares a
// tensor.
constexpr uint64_t kSharedBytesMin = 4096;

// Numbers of parts have 32 bits.
constexpr uint64_t kPartsMax = uint64_t{1} << 31;

}  // namespace

// Nothing overflows: chunk records lie in memory.
Status check_chunk_sharing(const ModelState& model, uint64_t parts, uint64_t memory_bytes) {
  const uint64_t chunks = model.container.index.chunks().size();
  const uint64_t parts_max =
      std::min(chunks * kSharingMax + memory_bytes / kSharedBytesMin, kPartsMax);
  if (parts <= parts_max) return Ok{};
  return Error(ErrorCode::kUnsupported,
               text(quote(model.container.file.name()), ": tensors share chunks ", parts,
                    " times over ", chunks, " chunks, at most ", parts_max));
}

}  // namespace qload::internal
