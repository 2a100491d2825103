// DecodePool: the threads that turn stored bytes into tensors, and prefault when idle.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
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
  uint32_t region = 0;
};

/// The work of one load, as the pool's threads see it. All functions are called from any of the
/// pool's threads, several at once.
class DecodeWork {
 public:
  enum class Pulled : uint8_t {
    kMore,  ///< A piece is done; ask again.
    kBusy,  ///< Nothing can be done before someone frees room: ask again after the next retry().
    kDone,  ///< None is left; do not ask again.
  };
  virtual ~DecodeWork() = default;
  /// Does `job` whole. Errors are kept by the work itself.
  virtual void run(const DecodeJob& job, DecodeContext& context) = 0;
  /// Finds and does a piece of work by itself: that of a load whose data needs no waiting for.
  virtual Pulled pull(DecodeContext&) { return Pulled::kDone; }
  /// A piece of a millisecond or so of work that can be done while no data is there. False: none.
  virtual bool run_idle() = 0;
};

struct DecodePoolCounters {
  double busy_seconds = 0;  ///< In run() and pull(), summed over threads.
  double idle_work_seconds = 0;
  /// The rest of the threads' time while the work was open. Beside other works, their time counts
  /// as waiting too.
  double wait_seconds = 0;
};

/// A fixed set of threads shared by several works. Threads take jobs in the order they were pushed
/// and pull from the works in turn, one of each alternately, so that no load starves another;
/// idle work comes when neither is there.
///
/// A work is opened, jobs are pushed (by one thread), and it is closed; whoever opened it waits
/// until it is finished before it destroys it.
class DecodePool {
 public:
  static constexpr size_t kWorksMax = 8;  ///< Open at a time.
  using WorkId = uint32_t;

  /// `on_start` runs first on each thread (its placement); may be null.
  static Result<std::unique_ptr<DecodePool>> create(uint32_t threads,
                                                    std::function<void()> on_start = {});
  /// Joins all threads. REQUIRES: no work is open.
  ~DecodePool();
  DecodePool(const DecodePool&) = delete;
  DecodePool& operator=(const DecodePool&) = delete;

  /// REQUIRES: fewer than kWorksMax are open.
  WorkId open(DecodeWork* work);
  /// Blocks while the queue is full.
  void push(WorkId id, const DecodeJob& job);
  /// No job will be pushed any more, and idle work ends. The caller does not touch the work after
  /// this, for it may be gone.
  void close(WorkId id);
  /// Waits, at most `limit`, until the closed work is finished: every job done, nothing to pull, no
  /// thread in it. Then fills `counters`, lets go of the work and returns true.
  bool wait_finished(WorkId id, std::chrono::milliseconds limit, DecodePoolCounters& counters);

  /// Works that were busy are asked again. Any thread.
  void retry();

  uint32_t thread_count() const { return static_cast<uint32_t>(threads_.size()); }

 private:
  struct OpenWork {
    DecodeWork* work = nullptr;  // Null: a free place.
    uint32_t queued = 0;
    uint32_t inside = 0;  // Threads inside.
    bool closed = false;
    bool pull_left = false;
    bool pull_busy = false;
    bool idle_left = false;
    DecodePoolCounters counters;
    std::chrono::steady_clock::time_point opened;

    bool finished() const { return closed && queued == 0 && inside == 0 && !pull_left; }
  };
  struct Task {
    enum class Kind : uint8_t { kNone, kJob, kPull, kIdle } kind = Kind::kNone;
    WorkId id = 0;
    DecodeJob job = {};
  };

  DecodePool() = default;
  void thread_main(DecodeContext& context);
  Task take_task();
  bool find_work(bool OpenWork::*left, bool skip_busy, WorkId& id);
  void carry_out(const Task& task, DecodeContext& context, std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable task_or_stop_;
  std::condition_variable room_;
  std::condition_variable finished_;
  // Guarded by mutex_, like all below. The queue is a ring of kQueueJobsMax, allocated once:
  // pushing cannot fail.
  std::array<OpenWork, kWorksMax> works_;
  std::vector<std::pair<WorkId, DecodeJob>> queue_;
  size_t queue_first_ = 0;
  size_t queue_count_ = 0;
  WorkId next_pull_ = 0;
  WorkId next_idle_ = 0;
  bool pull_next_ = false;
  bool stopping_ = false;
  uint64_t retries_ = 0;

  std::vector<DecodeContext> contexts_;  // One per thread.
  std::vector<std::thread> threads_;
};

}  // namespace qload
