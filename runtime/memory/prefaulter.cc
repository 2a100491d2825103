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
  if (mode == HugePages::kAlways) {
    huge_pages_ = madvise(memory.data(), memory.size(), MADV_HUGEPAGE) == 0;
    return;
  }
  if (memory.size() < kTrialBytesMin) return;
  const double small_seconds = timed_touch(0, kPieceBytes);
  if (madvise(memory.data() + kPieceBytes, memory.size() - kPieceBytes, MADV_HUGEPAGE) != 0) {
    next_ = kPieceBytes;
    return;
  }
  const double huge_seconds = timed_touch(kPieceBytes, kPieceBytes);
  next_ = 2 * kPieceBytes;
  huge_pages_ = huge_seconds < small_seconds;
  if (!huge_pages_) madvise(memory.data(), memory.size(), MADV_NOHUGEPAGE);
}

bool Prefaulter::touch_next() {
  if (next_.load(std::memory_order_relaxed) >= memory_.size()) return false;
  const uint64_t offset = next_.fetch_add(kPieceBytes, std::memory_order_relaxed);
  if (offset >= memory_.size()) return false;
  touch(offset, std::min<uint64_t>(kPieceBytes, memory_.size() - offset));
  return true;
}

void Prefaulter::touch(uint64_t offset, uint64_t bytes) const {
  if (madvise(memory_.data() + offset, bytes, MADV_POPULATE_WRITE) == 0) return;
  // Linux before 5.14 has no MADV_POPULATE_WRITE. Adding zero atomically touches a page without
  // losing what a decode thread stores beside it.
  static const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  for (uint64_t at = offset; at < offset + bytes; at += page) {
    __atomic_fetch_or(reinterpret_cast<uint8_t*>(memory_.data() + at), uint8_t{0},
                      __ATOMIC_RELAXED);
  }
}

double Prefaulter::timed_touch(uint64_t offset, uint64_t bytes) const {
  const auto begin = std::chrono::steady_clock::now();
  touch(offset, bytes);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace qload
