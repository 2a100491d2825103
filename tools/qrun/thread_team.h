// ThreadTeam: the same few threads for every product of a token.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace qload::qrun {

/// A fixed set of threads that run one piece of work together, again and again. A product takes
/// tens of microseconds, so that a thread without work spins for about as long before it sleeps.
/// One caller at a time.
class ThreadTeam {
 public:
  /// `thread_count` of at least 1, the caller included: 1 starts no thread. Fewer where the system
  /// refuses one.
  explicit ThreadTeam(uint32_t thread_count);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  uint32_t thread_count() const { return static_cast<uint32_t>(threads_.size()) + 1; }

  /// Calls work(i) once for each i in [0, thread_count()), each on a thread of its own, the last on
  /// the caller's. Returns when all have returned. `work` must not throw.
  void run(const std::function<void(uint32_t)>& work);

 private:
  void serve(uint32_t worker);

  std::atomic<uint32_t> round_ = 0;       // Grows by one with each run, and at the end.
  std::atomic<uint32_t> busy_count_ = 0;  // Threads that have not finished the round.
  std::atomic<bool> closing_ = false;
  const std::function<void(uint32_t)>* work_ = nullptr;  // Published by round_.
  std::vector<std::thread> threads_;
};

}  // namespace qload::qrun
