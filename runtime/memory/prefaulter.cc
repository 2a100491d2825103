#include "runtime/memory/prefaulter.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string_view>

namespace qload {

namespace {

// One piece is one madvise call: 4 MiB takes 0.5 to 2 ms, so that a thread that prefaults is back
// soon when a chunk arrives (docs/performance.md).
constexpr uint64_t kPieceBytes = 4u << 20;

// Huge pages serve direct reads and decoding beyond the first touch itself, and one trial is noisy,
// so they are kept unless they stall: compaction can take many times as long.
constexpr double kStallFactor = 2.0;

// Smallest block for which trying both page sizes pays: the trial touches two pieces.
constexpr uint64_t kTrialBytesMin = 64u << 20;

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
  memory_ = memory;
  next_ = 0;
  if (mode == HugePages::kNever || memory.size() < kPieceBytes || !huge_pages_allowed()) return;
  // Huge until the trial says otherwise: a load whose threads are never idle has no trial.
  huge_pages_ = madvise(memory.data(), memory.size(), MADV_HUGEPAGE) == 0;
  if (huge_pages_ && mode == HugePages::kAuto && memory.size() >= kTrialBytesMin) {
    phase_ = Phase::kTrialDue;
  }
}

bool Prefaulter::touch_next() {
  Phase phase = phase_.load(std::memory_order_acquire);
  if (phase == Phase::kTrialDue &&
      phase_.compare_exchange_strong(phase, Phase::kTrialRunning, std::memory_order_acquire)) {
    run_trial();
    phase_.store(Phase::kTouching, std::memory_order_release);
    phase_.notify_all();
    return true;
  }
  // A trial takes a few milliseconds; pages touched beside it would be of the wrong size.
  if (phase == Phase::kTrialRunning) phase_.wait(Phase::kTrialRunning, std::memory_order_acquire);
  if (next_.load(std::memory_order_relaxed) >= memory_.size()) return false;
  const uint64_t offset = next_.fetch_add(kPieceBytes, std::memory_order_relaxed);
  if (offset >= memory_.size()) return false;
  return touch(offset, std::min<uint64_t>(kPieceBytes, memory_.size() - offset));
}

// Both ways are asked for by name: where huge pages are the system's default, a piece without
// advice would be huge too.
void Prefaulter::run_trial() {
  std::byte* const data = memory_.data();
  madvise(data, kPieceBytes, MADV_NOHUGEPAGE);
  const double small_seconds = timed_touch(0, kPieceBytes);
  next_ = kPieceBytes;
  const double huge_seconds = timed_touch(kPieceBytes, kPieceBytes);
  next_ = 2 * kPieceBytes;
  huge_pages_ = huge_seconds < small_seconds * kStallFactor;
  madvise(data, memory_.size(), huge_pages_ ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

// Linux before 5.14 has no MADV_POPULATE_WRITE. Touching by hand instead would write to pages that
// a direct read may be filling, which is not safe on every machine; there, decoding touches first.
bool Prefaulter::touch(uint64_t offset, uint64_t bytes) const {
  return madvise(memory_.data() + offset, bytes, MADV_POPULATE_WRITE) == 0;
}

double Prefaulter::timed_touch(uint64_t offset, uint64_t bytes) const {
  const auto begin = std::chrono::steady_clock::now();
  touch(offset, bytes);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace qload
