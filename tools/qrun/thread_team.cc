#include "tools/qrun/thread_team.h"

#include <system_error>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace qload::qrun {
namespace {

// A pause takes 40 to 140 cycles on x86: 20 to 70 microseconds, the length of a small product.
constexpr int kSpinCount = 1000;

void pause_briefly() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");  // yield returns at once on most processors; isb takes time.
#endif
}

/// Waits until `value` is not `old`: spinning first, then asleep. Returns the new value.
uint32_t wait_for_change(const std::atomic<uint32_t>& value, uint32_t old) {
  for (int i = 0; i < kSpinCount; ++i) {
    const uint32_t now = value.load(std::memory_order_acquire);
    if (now != old) return now;
    pause_briefly();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace

ThreadTeam::ThreadTeam(uint32_t thread_count) {
  threads_.reserve(thread_count);
  try {
    for (uint32_t i = 0; i + 1 < thread_count; ++i) threads_.emplace_back([this, i] { serve(i); });
  } catch (const std::system_error&) {
    // The system has no more: those that started are the team.
  }
}

ThreadTeam::~ThreadTeam() {
  closing_ = true;
  round_.fetch_add(1, std::memory_order_release);
  round_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadTeam::run(const std::function<void(uint32_t)>& work) {
  const auto others = static_cast<uint32_t>(threads_.size());
  if (others > 0) {
    work_ = &work;
    busy_count_.store(others, std::memory_order_relaxed);
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
  }
  work(others);
  uint32_t busy = busy_count_.load(std::memory_order_acquire);
  while (busy != 0) busy = wait_for_change(busy_count_, busy);
}

void ThreadTeam::serve(uint32_t worker) {
  uint32_t round = 0;
  while (true) {
    round = wait_for_change(round_, round);
    if (closing_) return;
    (*work_)(worker);
    if (busy_count_.fetch_sub(1, std::memory_order_acq_rel) == 1) busy_count_.notify_all();
  }
}

}  // namespace qload::qrun
