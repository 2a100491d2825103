// DecodePool: the threads that turn stored bytes into tensors, and prefault when idle.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "format/chunk/chunk.h"
#include "qload/result.h"

namespace qload {

/// What a job is about is known to the DecodeWork that made it.
struct DecodeJob {
  uint32_t kind = 0;
  uint32_t first = 0;
  uint32_t count = 0;
  uint32_t slot = 0;
};

/// The work of one load, as the pool's threads see it. All functions are called from any of the
/// pool's threads, several at once.
class DecodeWork {
 public:
  virtual ~DecodeWork() = default;
  /// Does `job` whole. Errors are kept by the work itself.
  virtual void run(const DecodeJob& job, DecodeContext& context) = 0;
  /// A piece of a millisecond or so of work that can be done while no data is there. False: none.
  virtual bool run_idle() = 0;
};

struct DecodePoolCounters {
  double busy_seconds = 0;  ///< In run(), summed over threads.
  double idle_work_seconds = 0;
  double wait_seconds = 0;  ///< The rest of the threads' time between begin() and finish().
};

/// A fixed set of threads and one bounded queue. One work at a time: begin, push..., finish.
/// begin, push and finish are called by one thread (the I/O thread).
class DecodePool {
 public:
  static Result<std::unique_ptr<DecodePool>> create(uint32_t threads);
  /// Joins all threads. REQUIRES: finish() after the last begin().
  ~DecodePool();
  DecodePool(const DecodePool&) = delete;
  DecodePool& operator=(const DecodePool&) = delete;

  void begin(DecodeWork* work);
  /// Blocks while the queue is full.
  void push(const DecodeJob& job);
  /// Waits until every job is done and no thread is in the work, and lets go of it.
  DecodePoolCounters finish();

  uint32_t thread_count() const { return static_cast<uint32_t>(threads_.size()); }

 private:
  DecodePool() = default;
  void thread_main(DecodeContext& context);

  std::mutex mutex_;
  std::condition_variable job_or_stop_;
  std::condition_variable room_;
  std::condition_variable all_out_;
  // A ring of kQueueJobsMax, allocated once: pushing cannot fail. Guarded by mutex_, like all
  // below.
  std::vector<DecodeJob> queue_;
  size_t queue_first_ = 0;
  size_t queue_count_ = 0;
  DecodeWork* work_ = nullptr;
  bool idle_work_left_ = false;
  bool stopping_ = false;
  uint32_t inside_ = 0;  // Threads inside work_.
  DecodePoolCounters counters_;
  std::chrono::steady_clock::time_point begun_;  // I/O thread only.

  std::vector<DecodeContext> contexts_;  // One per thread.
  std::vector<std::thread> threads_;
};

}  // namespace qload
