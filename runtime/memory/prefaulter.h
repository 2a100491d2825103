// First touch of fresh destination memory, piece by piece, ahead of the data.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "qload/options.h"

namespace qload {

/// Touches the pages of one fresh mapping in order. Fresh 4 KiB pages fault slower than a good SSD
/// reads (docs/performance.md, "First touch"); idle decode threads call this so that the cost lies
/// beside the reads. Contents are never changed: pages may be written meanwhile.
class Prefaulter {
 public:
  Prefaulter() = default;

  /// Takes on `memory`, page-aligned and freshly mapped. Call before other threads.
  void start(std::span<std::byte> memory, HugePages mode);

  /// Touches the next piece. False when none is left. Any thread. With HugePages::kAuto the first
  /// caller touches one piece in small and one in huge pages and keeps huge ones unless they stall.
  bool touch_next();

  bool huge_pages() const { return huge_pages_.load(std::memory_order_relaxed); }

 private:
  enum class Phase : uint8_t { kTrialDue, kTrialRunning, kTouching };

  void run_trial();
  bool touch(uint64_t offset, uint64_t bytes) const;
  double timed_touch(uint64_t offset, uint64_t bytes) const;

  std::span<std::byte> memory_;
  std::atomic<Phase> phase_ = Phase::kTouching;
  std::atomic<uint64_t> next_ = 0;
  std::atomic<bool> huge_pages_ = false;
};

}  // namespace qload
