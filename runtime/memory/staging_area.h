// The fixed memory that stored bytes pass through on their way to the decoder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "qload/options.h"
#include "qload/result.h"
#include "runtime/memory/host_block.h"

namespace qload {

/// One block of staging memory, allocated once and shared by all loads under way. Regions are given
/// out in granules of 64 KiB, the lowest that fit: what was used last is used next, so that a load
/// that decoding keeps up with stays in few pages of the processor's cache. A region is free again
/// when all its users released it. Any thread may call any function but allocate() and
/// set_listener().
///
/// Fairness: whoever is refused room is next. Until that party has got its room, or gave up, others
/// are refused too; so a load that needs much at once is not starved by one that needs little.
class StagingArea {
 public:
  static constexpr uint32_t kGranuleBytes = 64u << 10;
  static constexpr uint32_t kNoRegion = 0xFFFF'FFFF;

  StagingArea() = default;
  ~StagingArea();
  StagingArea(const StagingArea&) = delete;
  StagingArea& operator=(const StagingArea&) = delete;

  /// kOutOfMemory when there is none; kUnsupported or kInvalidArgument for a hook's memory that
  /// the CPU cannot write or that is not aligned to a granule. Once, before other threads.
  Status allocate(uint64_t bytes, const Allocator& hook);
  std::span<std::byte> memory() const { return memory_; }

  /// The kernel may read into it directly.
  bool direct_allowed() const { return direct_allowed_; }

  /// Called, without a lock, when room has become free that some party was refused. Before other
  /// threads.
  void set_listener(std::function<void()> on_room) { on_room_ = std::move(on_room); }

  /// The largest region there can ever be.
  uint64_t region_bytes_max() const { return uint64_t{kGranuleBytes} * granules_.size(); }

  /// A region with one user, or nothing: then `party` is next, unless another is. `party` is any
  /// address that stays the same for one load. REQUIRES: bytes in [1, region_bytes_max()].
  std::optional<uint32_t> acquire(uint64_t bytes, const void* party);
  /// The party wants no room any more.
  void give_up(const void* party);
  std::byte* data(uint32_t region) const {
    return memory_.data() + uint64_t{region} * kGranuleBytes;
  }
  /// One more release is needed to free the region. REQUIRES: the region is in use by the caller.
  void add_user(uint32_t region);
  /// One user is done.
  void release(uint32_t region);

 private:
  /// Of the granule a region starts with; the others of a region have users 0.
  struct Granule {
    bool used = false;
    uint32_t users = 0;
    uint32_t count = 0;
  };

  std::optional<uint32_t> find_free(uint32_t count) const;

  std::span<std::byte> memory_;
  HostBlock own_;
  Allocator hook_ = {};
  bool direct_allowed_ = true;
  std::function<void()> on_room_;

  std::mutex mutex_;
  std::vector<Granule> granules_;  // Guarded by mutex_, like next_.
  const void* next_ = nullptr;     // The party that was refused first.
};

}  // namespace qload
