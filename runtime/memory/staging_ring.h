// The fixed memory that stored bytes pass through, cut into equal slots.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "qload/options.h"
#include "qload/result.h"
#include "runtime/memory/host_block.h"

namespace qload {

/// One block of staging memory, allocated once, cut anew into slots for each load. The I/O thread
/// acquires slots, decode threads release them; a slot is free when all its users released it.
class StagingRing {
 public:
  ~StagingRing();
  StagingRing() = default;
  StagingRing(const StagingRing&) = delete;
  StagingRing& operator=(const StagingRing&) = delete;

  /// kOutOfMemory when there is none; kUnsupported or kInvalidArgument for a hook's memory that
  /// the CPU cannot write or that is not aligned to 64 KiB.
  Status allocate(uint64_t bytes, const Allocator& hook);
  std::span<std::byte> memory() const { return memory_; }

  /// The kernel may read into it directly.
  bool direct_allowed() const { return direct_allowed_; }

  /// Cuts the block into as many slots of `slot_bytes` as fit, each on `alignment`, a power of two
  /// up to 64 KiB. kBudgetTooSmall when not one does. REQUIRES: no slot in use.
  Status cut(uint64_t slot_bytes, uint64_t alignment = 4096);
  uint32_t slot_count() const { return static_cast<uint32_t>(users_.size()); }
  uint64_t slot_bytes() const { return slot_bytes_; }
  std::byte* slot(uint32_t number) const { return memory_.data() + number * slot_bytes_; }

  /// A free slot with one user, or nothing. I/O thread.
  std::optional<uint32_t> acquire();
  /// Blocks until a slot is free. REQUIRES: a slot is in use by a decode thread.
  void wait_for_free();
  /// One more release is needed to free the slot. REQUIRES: the slot is in use by the caller.
  void add_user(uint32_t slot);
  /// One user is done. Any thread.
  void release(uint32_t slot);

 private:
  std::span<std::byte> memory_;
  HostBlock own_;
  Allocator hook_ = {};
  bool direct_allowed_ = true;
  uint64_t slot_bytes_ = 0;

  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<uint32_t> free_;   // Guarded by mutex_.
  std::vector<uint32_t> users_;  // Guarded by mutex_.
};

}  // namespace qload
