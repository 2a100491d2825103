// PortionArea: room for portions that come and go one after the other. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace qload {

/// Gives out regions of [0, bytes) from both ends by turns, so that two portions that follow each
/// other lie side by side whatever their sizes are: in an area of 10, a portion of 6 and then one
/// of 4 lie at [0, 6) and [6, 10); the next, of 6, takes the place of the first once that is
/// released. From one end alone a portion of 5 after one of 3 would find its hole too small. One
/// thread at a time.
class PortionArea {
 public:
  enum class End : uint8_t { kBottom, kTop };

  explicit PortionArea(uint64_t bytes = 0) : bytes_(bytes) {}

  /// The region nearest to `end` that is free and leaves, beyond it, room for a portion of
  /// `next_bytes` that would come from the other end if only this one were there. Nothing: there
  /// is none now. REQUIRES: bytes > 0.
  std::optional<uint64_t> find(uint64_t bytes, uint64_t next_bytes, End end) const;
  /// REQUIRES: find() gave `offset` for these bytes, and nothing changed since.
  void take(uint64_t offset, uint64_t bytes);
  /// REQUIRES: taken.
  void release(uint64_t offset);

  uint64_t bytes() const { return bytes_; }
  uint64_t used_bytes() const;

 private:
  struct Region {
    uint64_t offset;
    uint64_t bytes;
  };
  uint64_t bytes_;
  std::vector<Region> regions_;  // By offset. Few: the portions alive at once.
};

}  // namespace qload
