// First touch of fresh destination memory, piece by piece, ahead of the data.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "qload/options.h"

namespace qload {

/// Touches the pages of one fresh mapping in order. Fresh 4 KiB pages fault at 1 to 2.4 GB/s on
/// one core, slower than a good SSD (docs/performance.md); idle decode threads call this so that
/// the cost lies beside the reads. Contents are never changed: pages may be written meanwhile.
class Prefaulter {
 public:
  Prefaulter() = default;

  /// Takes on `memory`, page-aligned and freshly mapped. Chooses huge pages by `mode`; kAuto
  /// touches the first pieces both ways and keeps the faster. Call before other threads.
  void start(std::span<std::byte> memory, HugePages mode);

  /// Touches the next piece. False when none is left. Any thread.
  bool touch_next();

  bool huge_pages() const { return huge_pages_; }

 private:
  void touch(uint64_t offset, uint64_t bytes) const;
  double timed_touch(uint64_t offset, uint64_t bytes) const;

  std::span<std::byte> memory_;
  std::atomic<uint64_t> next_ = 0;
  bool huge_pages_ = false;
};

}  // namespace qload
