// Leaving nothing behind when the user presses Ctrl-C.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>

namespace qload::bench {

/// Owns SIGINT, SIGTERM and SIGHUP: a thread waits for them, runs the registered actions, newest
/// first, and exits with 128 + the signal's number. Create it on the main thread before any other
/// thread; one at a time. Any thread may add and remove.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  uint64_t add(std::function<void()> action);
  void remove(uint64_t id);

 private:
  void wait_for_signal();

  std::mutex mutex_;
  std::map<uint64_t, std::function<void()>> actions_;  // Guarded by mutex_.
  uint64_t next_id_ = 0;                               // Guarded by mutex_.
  std::atomic<bool> closing_{false};
  std::thread thread_;
};

}  // namespace qload::bench
