#include "runtime/expand/expand_plan.h"

#include <span>

#include "format/base/checked.h"

namespace qload::internal {

std::vector<ExpandWindow> plan_windows(const Index& index, const TensorLayout& layout,
                                       uint64_t alignment) {
  std::vector<ExpandWindow> windows;
  for (uint32_t tensor = 0; tensor < index.tensors().size(); ++tensor) {
    const std::span<const ChunkRecord> chunks = index.chunks_of(index.tensors()[tensor]);
    bool continues = false;  // The window's last part is this tensor's chunk before.
    for (uint64_t number = 0; number < chunks.size(); ++number) {
      const uint64_t begin = layout.offsets[tensor] + chunks[number].decoded_offset;
      const uint64_t bytes = chunks[number].decoded_bytes;
      if (windows.empty() || begin + bytes - windows.back().begin > kWindowBytes) {
        windows.push_back({.begin = align_down(begin, alignment), .parts = {}});
        continues = false;
      }
      std::vector<ExpandPart>& parts = windows.back().parts;
      if (continues) {
        parts.back().chunks.count += 1;
        parts.back().bytes += bytes;
      } else {
        parts.push_back({tensor, {number, 1}, begin, bytes});
        continues = true;
      }
    }
  }
  return windows;
}

}  // namespace qload::internal
