#include "runtime/decode/decode_pool.h"

#include <algorithm>
#include <memory>
#include <system_error>
#include <tuple>
#include <utility>

#include "format/base/assert.h"
#include "format/base/blocked_signals.h"
#include "format/base/format_text.h"

namespace qload {

namespace {

// Jobs waiting for a thread. Staging bounds those that hold a region; this bounds the checks of
// chunks that were read in place, so that a fast disk cannot run ahead without end.
constexpr size_t kQueueJobsMax = 512;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

Result<std::unique_ptr<DecodePool>> DecodePool::create(uint32_t threads,
                                                       std::function<void()> on_start) {
  std::unique_ptr<DecodePool> pool(new DecodePool());
  pool->queue_.resize(kQueueJobsMax);
  pool->contexts_.resize(threads);
  const BlockedSignals blocked;
  try {
    pool->threads_.reserve(threads);
    for (uint32_t i = 0; i < threads; ++i) {
      pool->threads_.emplace_back([raw = pool.get(), i, on_start] {
        if (on_start) on_start();
        raw->thread_main(raw->contexts_[i]);
      });
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
  task_or_stop_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

DecodePool::WorkId DecodePool::open(DecodeWork* work) {
  WorkId id = 0;
  {
    const std::lock_guard lock(mutex_);
    while (id < kWorksMax && works_[id].work != nullptr) ++id;
    QLOAD_ASSERT(id < kWorksMax);
    works_[id] = {};
    works_[id].work = work;
    works_[id].pull_left = true;
    works_[id].idle_left = true;
    works_[id].opened = Clock::now();
  }
  task_or_stop_.notify_all();
  return id;
}

void DecodePool::push(WorkId id, const DecodeJob& job) {
  {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return queue_count_ < kQueueJobsMax; });
    queue_[(queue_first_ + queue_count_++) % kQueueJobsMax] = {id, job};
    ++works_[id].queued;
  }
  task_or_stop_.notify_one();
}

// Notifies under the lock: once it is released the pool itself may be on its way out.
void DecodePool::close(WorkId id) {
  const std::lock_guard lock(mutex_);
  works_[id].closed = true;
  works_[id].idle_left = false;
  finished_.notify_all();
}

bool DecodePool::wait_finished(WorkId id, std::chrono::milliseconds limit,
                               DecodePoolCounters& counters) {
  std::unique_lock lock(mutex_);
  OpenWork& open = works_[id];
  if (!finished_.wait_for(lock, limit, [&] { return open.finished(); })) return false;
  counters = open.counters;
  const double thread_seconds = seconds_since(open.opened) * static_cast<double>(threads_.size());
  counters.wait_seconds =
      std::max(0.0, thread_seconds - counters.busy_seconds - counters.idle_work_seconds);
  open.work = nullptr;
  return true;
}

void DecodePool::retry() {
  {
    const std::lock_guard lock(mutex_);
    ++retries_;
    for (OpenWork& open : works_) open.pull_busy = false;
  }
  task_or_stop_.notify_all();
}

/// The next work in turn with `left`, starting after the last one that was asked.
bool DecodePool::find_work(bool OpenWork::*left, bool skip_busy, WorkId& next) {
  for (WorkId i = 0; i < kWorksMax; ++i) {
    const WorkId id = (next + i) % kWorksMax;
    const OpenWork& open = works_[id];
    if (open.work == nullptr || !(open.*left) || (skip_busy && open.pull_busy)) continue;
    next = id;
    return true;
  }
  return false;
}

DecodePool::Task DecodePool::take_task() {
  const bool pullable = find_work(&OpenWork::pull_left, true, next_pull_);
  Task task;
  if (queue_count_ > 0 && !(pullable && pull_next_)) {
    task.kind = Task::Kind::kJob;
    std::tie(task.id, task.job) = queue_[queue_first_];
    queue_first_ = (queue_first_ + 1) % kQueueJobsMax;
    --queue_count_;
    --works_[task.id].queued;
    pull_next_ = true;
  } else if (pullable) {
    task.kind = Task::Kind::kPull;
    task.id = std::exchange(next_pull_, (next_pull_ + 1) % kWorksMax);
    pull_next_ = false;
  } else if (find_work(&OpenWork::idle_left, false, next_idle_)) {
    task.kind = Task::Kind::kIdle;
    task.id = std::exchange(next_idle_, (next_idle_ + 1) % kWorksMax);
  }
  return task;
}

void DecodePool::carry_out(const Task& task, DecodeContext& context,
                           std::unique_lock<std::mutex>& lock) {
  OpenWork& open = works_[task.id];
  DecodeWork* const work = open.work;
  const uint64_t retries_before = retries_;
  ++open.inside;
  lock.unlock();
  const auto begin = Clock::now();
  if (task.kind == Task::Kind::kJob) {
    room_.notify_one();
    work->run(task.job, context);
    lock.lock();
    open.counters.busy_seconds += seconds_since(begin);
  } else if (task.kind == Task::Kind::kPull) {
    const DecodeWork::Pulled pulled = work->pull(context);
    lock.lock();
    open.counters.busy_seconds += seconds_since(begin);
    if (pulled == DecodeWork::Pulled::kDone) open.pull_left = false;
    // Room that became free meanwhile has been announced already.
    if (pulled == DecodeWork::Pulled::kBusy && retries_ == retries_before) open.pull_busy = true;
  } else {
    const bool more = work->run_idle();
    lock.lock();
    open.counters.idle_work_seconds += seconds_since(begin);
    if (!more) open.idle_left = false;
  }
  --open.inside;
  if (open.finished()) finished_.notify_all();
}

void DecodePool::thread_main(DecodeContext& context) {
  std::unique_lock lock(mutex_);
  while (true) {
    const Task task = take_task();
    if (task.kind != Task::Kind::kNone) {
      carry_out(task, context, lock);
    } else if (stopping_) {
      return;
    } else {
      task_or_stop_.wait(lock);
    }
  }
}

}  // namespace qload
