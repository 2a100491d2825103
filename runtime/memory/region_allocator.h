// RegionAllocator: which parts of one block are taken. Offsets only: it never sees the memory.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

namespace qload {

/// Hands out regions of [0, bytes): the lowest free one that fits, so that what is used stays
/// together at the front and memory behind it need not be touched. Freed regions join their free
/// neighbours. Sizes are rounded up to the granule, and every region starts on one: regions of one
/// size leave no gaps. One thread at a time; allocate() may throw std::bad_alloc, and has done
/// nothing then.
class RegionAllocator {
 public:
  /// An allocator of nothing.
  RegionAllocator() = default;

  /// Of `bytes` rounded down to the granule. REQUIRES: granule is a power of two.
  static RegionAllocator create(uint64_t bytes, uint64_t granule);

  /// Offset of a region of `bytes` bytes on `alignment`, or nothing when no free region holds one.
  /// REQUIRES: bytes > 0, alignment a power of two. An alignment below the granule is the granule.
  std::optional<uint64_t> allocate(uint64_t bytes, uint64_t alignment);
  /// REQUIRES: `offset` came from allocate() and is not free.
  void free(uint64_t offset) noexcept;

  /// The largest region that allocate() would give, at any alignment up to the granule.
  uint64_t largest_free() const;
  /// Sum over regions that are taken, as rounded.
  uint64_t used_bytes() const { return used_bytes_; }
  uint64_t bytes() const { return bytes_; }
  /// What allocate(bytes) takes: `bytes` rounded up to the granule. REQUIRES: no overflow.
  uint64_t rounded(uint64_t bytes) const { return (bytes + granule_ - 1) & ~(granule_ - 1); }

 private:
  uint64_t bytes_ = 0;
  uint64_t granule_ = 1;
  uint64_t used_bytes_ = 0;
  // Bytes by offset. Free regions never touch each other.
  std::map<uint64_t, uint64_t> free_;
  std::map<uint64_t, uint64_t> used_;
};

}  // namespace qload
