#include "runtime/memory/portion_area.h"

#include <algorithm>

#include "format/base/assert.h"

namespace qload {

std::optional<uint64_t> PortionArea::find(uint64_t bytes, uint64_t next_bytes, End end) const {
  QLOAD_ASSERT(bytes > 0);
  if (bytes > bytes_ || next_bytes > bytes_ - bytes) return std::nullopt;
  if (end == End::kBottom) {
    const uint64_t begin_max = bytes_ - bytes - next_bytes;
    uint64_t begin = 0;
    for (const Region& region : regions_) {
      if (begin > begin_max) return std::nullopt;
      if (region.offset - begin >= bytes) return begin;
      begin = region.offset + region.bytes;
    }
    if (begin > begin_max) return std::nullopt;
    return begin;
  }
  uint64_t top = bytes_;
  for (size_t i = regions_.size(); i-- > 0;) {
    const uint64_t gap_begin = regions_[i].offset + regions_[i].bytes;
    if (top - gap_begin >= bytes && top - bytes >= next_bytes) return top - bytes;
    top = regions_[i].offset;
  }
  if (top < bytes || top - bytes < next_bytes) return std::nullopt;
  return top - bytes;
}

void PortionArea::take(uint64_t offset, uint64_t bytes) {
  const auto after = std::find_if(regions_.begin(), regions_.end(),
                                  [&](const Region& region) { return region.offset > offset; });
  regions_.insert(after, {offset, bytes});
}

void PortionArea::release(uint64_t offset) {
  const auto found = std::find_if(regions_.begin(), regions_.end(),
                                  [&](const Region& region) { return region.offset == offset; });
  QLOAD_ASSERT(found != regions_.end());
  regions_.erase(found);
}

uint64_t PortionArea::used_bytes() const {
  uint64_t used = 0;
  for (const Region& region : regions_) used += region.bytes;
  return used;
}

}  // namespace qload
