#include "runtime/decode/decode_pool.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <system_error>

#include "format/base/assert.h"
#include "format/base/blocked_signals.h"
#include "format/base/format_text.h"

namespace qload {

namespace {

// Jobs waiting for a thread. Staging bounds those that hold a slot; this bounds the checks of
// chunks that were read in place, so that a fast disk cannot run ahead without end.
constexpr size_t kQueueJobsMax = 512;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

Result<std::unique_ptr<DecodePool>> DecodePool::create(uint32_t threads) {
  std::unique_ptr<DecodePool> pool(new DecodePool());
  pool->queue_.resize(kQueueJobsMax);
  pool->contexts_.resize(threads);
  const BlockedSignals blocked;
  try {
    pool->threads_.reserve(threads);
    for (uint32_t i = 0; i < threads; ++i) {
      pool->threads_.emplace_back([raw = pool.get(), i] { raw->thread_main(raw->contexts_[i]); });
    }
  } catch (const std::system_error&) {
    // The pool's destructor joins those that did start.
    return Error(ErrorCode::kOutOfMemory,
                 text("cannot start decode thread ", pool->threads_.size() + 1, " of ", threads));
  }
  return pool;
}

DecodePool::~DecodePool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  job_or_stop_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void DecodePool::begin(DecodeWork* work) {
  {
    const std::lock_guard lock(mutex_);
    QLOAD_ASSERT(work_ == nullptr && queue_count_ == 0 && inside_ == 0);
    work_ = work;
    idle_work_left_ = true;
    counters_ = {};
  }
  begun_ = Clock::now();
  job_or_stop_.notify_all();
}

void DecodePool::push(const DecodeJob& job) {
  {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return queue_count_ < kQueueJobsMax; });
    queue_[(queue_first_ + queue_count_++) % kQueueJobsMax] = job;
  }
  job_or_stop_.notify_one();
}

DecodePoolCounters DecodePool::finish() {
  std::unique_lock lock(mutex_);
  idle_work_left_ = false;
  all_out_.wait(lock, [this] { return queue_count_ == 0 && inside_ == 0; });
  work_ = nullptr;
  const double thread_seconds = seconds_since(begun_) * static_cast<double>(threads_.size());
  counters_.wait_seconds =
      std::max(0.0, thread_seconds - counters_.busy_seconds - counters_.idle_work_seconds);
  return counters_;
}

void DecodePool::thread_main(DecodeContext& context) {
  std::unique_lock lock(mutex_);
  while (true) {
    job_or_stop_.wait(lock, [this] {
      return stopping_ || queue_count_ > 0 || (work_ != nullptr && idle_work_left_);
    });
    if (queue_count_ == 0 && stopping_) return;
    ++inside_;
    DecodeWork* const work = work_;
    const auto begin = Clock::now();
    if (queue_count_ > 0) {
      const DecodeJob job = queue_[queue_first_];
      queue_first_ = (queue_first_ + 1) % kQueueJobsMax;
      --queue_count_;
      lock.unlock();
      room_.notify_one();
      work->run(job, context);
      lock.lock();
      counters_.busy_seconds += seconds_since(begin);
    } else {
      lock.unlock();
      const bool more = work->run_idle();
      lock.lock();
      counters_.idle_work_seconds += seconds_since(begin);
      if (!more) idle_work_left_ = false;
    }
    --inside_;
    if (inside_ == 0 && queue_count_ == 0) all_out_.notify_all();
  }
}

}  // namespace qload
