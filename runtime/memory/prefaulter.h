// First touch of fresh destination memory, piece by piece, before the data.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "qload/options.h"

namespace qload {

/// Touches the pages of one fresh mapping, each once. Fresh 4 KiB pages fault slower than a good
/// SSD reads (docs/performance.md, "First touch"). Idle decode threads call touch_next(), in order
/// and ahead of the data, so that the cost lies beside the reads; a thread about to decode calls
/// touch_range(), in any order. Whoever comes first claims a piece. Contents are never changed:
/// pages may be written meanwhile, by direct reads too.
class Prefaulter {
 public:
  Prefaulter() = default;

  /// Takes on `memory`, page-aligned and freshly mapped. Call before other threads. Without memory
  /// for the list of pieces nothing is touched ahead, which is slower and not wrong.
  void start(std::span<std::byte> memory, HugePages mode);

  /// Touches the next piece that nobody claimed. False when none is left. Any thread. With
  /// HugePages::kAuto the first caller, of either function, touches one piece in small and one in
  /// huge pages and keeps huge ones unless they stall.
  bool touch_next();

  /// Touches what is left untouched of the pieces that [begin, begin + bytes) lies in, with one
  /// system call for each run of them, and waits for those that another thread is at. Returns the
  /// bytes that this call touched. What lies outside of the memory is left alone. Any thread.
  uint64_t touch_range(const std::byte* begin, uint64_t bytes);

  bool huge_pages() const { return huge_pages_.load(std::memory_order_relaxed); }

 private:
  enum class Phase : uint8_t { kTrialDue, kTrialRunning, kTouching };
  enum Piece : uint32_t { kUntouched, kClaimed, kDone };

  bool settle_page_size();
  void run_trial();
  uint64_t touch_ahead();
  uint64_t touch_pieces(uint64_t first, uint64_t end);
  bool claim(uint64_t piece);
  void finish(uint64_t first, uint64_t end);
  bool touch(uint64_t offset, uint64_t bytes) const;
  void watch_for_stalls(uint64_t end, double seconds, uint64_t bytes);
  double timed_touch(uint64_t offset, uint64_t bytes) const;

  std::span<std::byte> memory_;
  // A word for each piece and not a bit: threads wait for single pieces. 2 bytes per MiB.
  std::unique_ptr<std::atomic<uint32_t>[]> pieces_;
  uint64_t piece_count_ = 0;
  std::atomic<Phase> phase_ = Phase::kTouching;
  std::atomic<uint64_t> next_ = 0;  // Piece. Those before it are claimed.
  std::atomic<bool> populates_ = false;
  std::atomic<bool> huge_pages_ = false;
  double stall_seconds_per_byte_ = 0;  // Set by the trial; 0: no trial, huge pages stay.
  std::atomic<int32_t> stalls_ = 0;    // Touches that stalled, less those that did not.
};

}  // namespace qload
