#include "runtime/memory/region_allocator.h"

#include <algorithm>
#include <iterator>

#include "format/base/assert.h"
#include "format/base/checked.h"

namespace qload {

RegionAllocator RegionAllocator::create(uint64_t bytes, uint64_t granule) {
  QLOAD_ASSERT(is_power_of_two(granule));
  RegionAllocator allocator;
  allocator.granule_ = granule;
  allocator.bytes_ = align_down(bytes, granule);
  if (allocator.bytes_ > 0) allocator.free_.emplace(0, allocator.bytes_);
  return allocator;
}

// Of a free region [4096, 20480), a region of 4096 bytes on 8192 takes [8192, 12288) and leaves
// [4096, 8192) and [12288, 20480).
std::optional<uint64_t> RegionAllocator::allocate(uint64_t bytes, uint64_t alignment) {
  QLOAD_ASSERT(bytes > 0 && is_power_of_two(alignment));
  const auto wanted = checked_align_up(bytes, granule_);
  if (!wanted) return std::nullopt;
  for (auto hole = free_.begin(); hole != free_.end(); ++hole) {
    const auto [hole_begin, hole_bytes] = *hole;
    const auto begin = checked_align_up(hole_begin, std::max(alignment, granule_));
    if (!begin || *begin - hole_begin > hole_bytes) continue;
    const uint64_t before = *begin - hole_begin;
    if (hole_bytes - before < *wanted) continue;
    const uint64_t after = hole_bytes - before - *wanted;
    const auto region = used_.emplace(*begin, *wanted).first;
    if (after > 0) {
      try {
        free_.emplace(*begin + *wanted, after);
      } catch (...) {
        used_.erase(region);
        throw;
      }
    }
    if (before > 0) {
      hole->second = before;
    } else {
      free_.erase(hole);
    }
    used_bytes_ += *wanted;
    return begin;
  }
  return std::nullopt;
}

// The node of the taken region becomes that of the free one: nothing is allocated, so that giving
// back cannot fail.
void RegionAllocator::free(uint64_t offset) noexcept {
  const auto region = used_.find(offset);
  QLOAD_ASSERT(region != used_.end());
  used_bytes_ -= region->second;
  auto hole = free_.insert(used_.extract(region)).position;
  const auto next = std::next(hole);
  if (next != free_.end() && hole->first + hole->second == next->first) {
    hole->second += next->second;
    free_.erase(next);
  }
  if (hole == free_.begin()) return;
  const auto previous = std::prev(hole);
  if (previous->first + previous->second != hole->first) return;
  previous->second += hole->second;
  free_.erase(hole);
}

uint64_t RegionAllocator::largest_free() const {
  uint64_t largest = 0;
  for (const auto& [offset, bytes] : free_) largest = std::max(largest, bytes);
  return largest;
}

}  // namespace qload
