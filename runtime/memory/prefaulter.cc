#include "runtime/memory/prefaulter.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <string_view>

namespace qload {

namespace {

// One piece is one huge page: two threads that fault the same one clear it twice. It is cleared in
// 0.2 ms, so that a thread that prefaults is back soon when a chunk arrives, and still lies in the
// processor's cache when it is decoded into; larger pieces are no faster to touch
// (docs/performance.md, "First touch").
constexpr uint64_t kPieceBytes = 2u << 20;

// The trial times this much of each page size: two pieces, for one alone is noise.
constexpr uint64_t kTrialPieces = 2;

// Huge pages serve direct reads and decoding beyond the first touch itself, and one trial is noisy,
// so they are kept unless they stall: compaction can take many times as long.
constexpr double kStallFactor = 2.0;

// So many touches more must stall than not before huge pages are given up: one may have met other
// work on the processor.
constexpr int32_t kStallsMax = 4;

// Smallest block for which trying both page sizes pays: the trial touches four pieces.
constexpr uint64_t kTrialBytesMin = 64u << 20;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

// Whether the system allows huge pages on request: mode "always" or "madvise".
bool huge_pages_allowed() {
  char mode[64] = {};
  const int file = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const ssize_t count = read(file, mode, sizeof mode - 1);
  close(file);
  if (count <= 0) return false;
  return std::string_view(mode, static_cast<size_t>(count)).find("[never]") ==
         std::string_view::npos;
}

}  // namespace

void Prefaulter::start(std::span<std::byte> memory, HugePages mode) {
  next_ = 0;
  memory_ = memory;
  piece_count_ = memory.size() / kPieceBytes + (memory.size() % kPieceBytes != 0 ? 1 : 0);
  pieces_.reset(new (std::nothrow) std::atomic<uint32_t>[piece_count_]());
  if (pieces_ == nullptr) piece_count_ = 0;
  populates_ = piece_count_ > 0;
  if (mode == HugePages::kNever || memory.size() < 2 * kPieceBytes || !huge_pages_allowed()) return;
  // Huge until the trial says otherwise.
  huge_pages_ = madvise(memory.data(), memory.size(), MADV_HUGEPAGE) == 0;
  if (huge_pages_ && populates_ && mode == HugePages::kAuto && memory.size() >= kTrialBytesMin) {
    phase_ = Phase::kTrialDue;
  }
}

bool Prefaulter::touch_next() { return settle_page_size() || touch_ahead() > 0; }

// The next piece that nobody claimed; the bytes it has, or 0 when there is none.
uint64_t Prefaulter::touch_ahead() {
  while (populates_.load(std::memory_order_relaxed)) {
    if (next_.load(std::memory_order_relaxed) >= piece_count_) return 0;
    const uint64_t piece = next_.fetch_add(1, std::memory_order_relaxed);
    if (piece >= piece_count_) return 0;
    const uint64_t bytes = touch_pieces(piece, piece + 1);
    if (bytes > 0) return bytes;
  }
  return 0;
}

uint64_t Prefaulter::touch_range(const std::byte* begin, uint64_t bytes) {
  if (!populates_.load(std::memory_order_relaxed) || bytes == 0) return 0;
  // As numbers: `begin` may point into other memory.
  const auto memory_begin = reinterpret_cast<uintptr_t>(memory_.data());
  const auto range_begin = reinterpret_cast<uintptr_t>(begin);
  const uint64_t skipped = memory_begin - std::min(memory_begin, range_begin);
  if (skipped >= bytes) return 0;
  const uint64_t offset = range_begin - std::min(memory_begin, range_begin);
  if (offset >= memory_.size()) return 0;
  const uint64_t length = std::min<uint64_t>(bytes - skipped, memory_.size() - offset);
  settle_page_size();
  const uint64_t first = offset / kPieceBytes;
  const uint64_t end = (offset + length - 1) / kPieceBytes + 1;
  uint64_t touched = touch_pieces(first, end);
  for (uint64_t piece = first; piece < end; ++piece) {
    if (pieces_[piece].load(std::memory_order_acquire) != kClaimed) continue;
    touched += touch_ahead();
    pieces_[piece].wait(kClaimed, std::memory_order_acquire);
  }
  return touched;
}

// Returns true when this call ran the trial. A trial takes a few milliseconds; pages touched beside
// it would be of the wrong size, so that others wait.
bool Prefaulter::settle_page_size() {
  Phase phase = phase_.load(std::memory_order_acquire);
  if (phase == Phase::kTrialDue &&
      phase_.compare_exchange_strong(phase, Phase::kTrialRunning, std::memory_order_acquire)) {
    run_trial();
    phase_.store(Phase::kTouching, std::memory_order_release);
    phase_.notify_all();
    return true;
  }
  if (phase == Phase::kTrialRunning) phase_.wait(Phase::kTrialRunning, std::memory_order_acquire);
  return false;
}

// Both ways are asked for by name: where huge pages are the system's default, a piece without
// advice would be huge too. Nothing is claimed before the trial, so its pieces are free.
void Prefaulter::run_trial() {
  constexpr uint64_t kTrialBytes = kTrialPieces * kPieceBytes;
  std::byte* const data = memory_.data();
  madvise(data, kTrialBytes, MADV_NOHUGEPAGE);
  const double small_seconds = timed_touch(0, kTrialBytes);
  const double huge_seconds = timed_touch(kTrialBytes, kTrialBytes);
  finish(0, 2 * kTrialPieces);
  next_ = 2 * kTrialPieces;
  huge_pages_ = huge_seconds < small_seconds * kStallFactor;
  stall_seconds_per_byte_ = small_seconds * kStallFactor / kTrialBytes;
  madvise(data, memory_.size(), huge_pages_ ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

bool Prefaulter::claim(uint64_t piece) {
  uint32_t state = kUntouched;
  return pieces_[piece].load(std::memory_order_relaxed) == kUntouched &&
         pieces_[piece].compare_exchange_strong(state, kClaimed, std::memory_order_relaxed);
}

void Prefaulter::finish(uint64_t first, uint64_t end) {
  for (uint64_t piece = first; piece < end; ++piece) {
    pieces_[piece].store(kDone, std::memory_order_release);
    pieces_[piece].notify_all();
  }
}

// Touches the pieces of [first, end) that this thread can claim, run by run; returns their bytes.
// Where the kernel refuses, claims are given up as if done: decoding touches those pages itself.
uint64_t Prefaulter::touch_pieces(uint64_t first, uint64_t end) {
  uint64_t touched = 0;
  while (first < end) {
    uint64_t run_end = first;
    while (run_end < end && claim(run_end)) ++run_end;
    if (run_end > first) {
      const uint64_t offset = first * kPieceBytes;
      const uint64_t bytes = std::min(run_end * kPieceBytes, memory_.size()) - offset;
      const auto begin = Clock::now();
      if (touch(offset, bytes)) {
        touched += bytes;
        watch_for_stalls(run_end, seconds_since(begin), bytes);
      } else {
        populates_.store(false, std::memory_order_relaxed);
      }
      finish(first, run_end);
    }
    first = run_end + 1;  // The one at run_end is another's, or past the end.
  }
  return touched;
}

// Huge pages may run out in the middle of a load: the kernel then compacts memory for each, which
// can take longer than all small pages together. The rest of the memory is small pages then.
void Prefaulter::watch_for_stalls(uint64_t end, double seconds, uint64_t bytes) {
  if (stall_seconds_per_byte_ == 0 || !huge_pages_.load(std::memory_order_relaxed)) return;
  const bool stalled = seconds > stall_seconds_per_byte_ * static_cast<double>(bytes);
  if (!stalled) {
    if (stalls_.load(std::memory_order_relaxed) > 0) stalls_.fetch_sub(1);
    return;
  }
  if (stalls_.fetch_add(1) + 1 < kStallsMax) return;
  huge_pages_ = false;
  const uint64_t offset = std::min<uint64_t>(end * kPieceBytes, memory_.size());
  madvise(memory_.data() + offset, memory_.size() - offset, MADV_NOHUGEPAGE);
}

// Linux before 5.14 has no MADV_POPULATE_WRITE. Touching by hand instead would write to pages that
// a direct read may be filling, which is not safe on every machine, and within a chunk's own bytes
// it would only do what decoding does next; there, decoding touches first.
bool Prefaulter::touch(uint64_t offset, uint64_t bytes) const {
  return madvise(memory_.data() + offset, bytes, MADV_POPULATE_WRITE) == 0;
}

double Prefaulter::timed_touch(uint64_t offset, uint64_t bytes) const {
  const auto begin = Clock::now();
  touch(offset, bytes);
  return seconds_since(begin);
}

}  // namespace qload
