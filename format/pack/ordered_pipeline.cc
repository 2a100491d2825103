#include "format/pack/ordered_pipeline.h"

#include <sched.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "format/base/assert.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload {
namespace {

/// Runs `step`; running out of memory becomes an Error, because nothing throws across a thread.
template <class Step>
Status without_throwing(Step step) {
  try {
    return step();
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::kOutOfMemory, "memory ran out for a chunk");
  }
}

/// The meeting point of the workers and the calling thread, which owns it. Workers claim items in
/// increasing order, so that when item k fails every item below k is made or in the making: the
/// consumer takes those first and then meets the error, the same one on any number of threads.
class Pipeline {
 public:
  Pipeline(const OrderedWork& work, uint32_t threads)
      : work_(work), results_(pipeline_slot_count(threads)), end_(work.item_count) {}

  void work_as(uint32_t thread) {
    while (auto item = claim()) {
      uint32_t slot = slot_of(*item);
      Status status = without_throwing([&] { return work_.produce(thread, slot, *item); });
      std::lock_guard lock(mutex_);
      if (!status.ok()) end_ = std::min(end_, *item + 1);  // Claim nothing beyond a failure.
      results_[slot] = std::move(status);
      if (*item == consumed_) item_made_.notify_one();
    }
  }

  Status consume_all(const std::stop_token& stop) {
    for (uint64_t item = 0; item < work_.item_count; ++item) {
      uint32_t slot = slot_of(item);
      QLOAD_CHECK(await(item, slot, stop));
      QLOAD_CHECK(without_throwing([&] { return work_.consume(slot, item); }));
      std::lock_guard lock(mutex_);
      results_[slot].reset();
      consumed_ = item + 1;
      slot_freed_.notify_one();
    }
    return Ok{};
  }

  /// Lets the workers finish the items they hold and claim no more.
  void close() {
    std::lock_guard lock(mutex_);
    end_ = 0;
    slot_freed_.notify_all();
  }

 private:
  uint32_t slot_of(uint64_t item) const { return static_cast<uint32_t>(item % results_.size()); }

  /// The next item once its slot is free; nothing when there is no more to make.
  std::optional<uint64_t> claim() {
    std::unique_lock lock(mutex_);
    slot_freed_.wait(lock,
                     [&] { return claimed_ >= end_ || claimed_ < consumed_ + results_.size(); });
    if (claimed_ >= end_) {
      slot_freed_.notify_all();  // The others have no more to wait for either.
      return std::nullopt;
    }
    return claimed_++;
  }

  /// Waits until `item` is made.
  Status await(uint64_t item, uint32_t slot, const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    bool made = item_made_.wait(lock, stop, [&] { return results_[slot].has_value(); });
    if (!made || stop.stop_requested()) {
      return Error(ErrorCode::kCancelled,
                   text("stopped after ", item, " of ", work_.item_count, " chunks"));
    }
    return *results_[slot];
  }

  const OrderedWork& work_;
  std::mutex mutex_;
  std::condition_variable_any item_made_;
  std::condition_variable slot_freed_;
  // All guarded by mutex_. A result stands in its slot from when it is made until it is consumed.
  std::vector<std::optional<Status>> results_;
  uint64_t claimed_ = 0;
  uint64_t consumed_ = 0;
  uint64_t end_;
};

}  // namespace

Status run_ordered(const OrderedWork& work, std::stop_token stop) {
  QLOAD_ASSERT(work.threads >= 1 && work.threads <= kPipelineThreadsMax);
  if (stop.stop_requested()) return Error(ErrorCode::kCancelled, "stopped before it began");
  if (work.item_count == 0) return Ok{};
  Pipeline pipeline(work, work.threads);
  std::vector<std::thread> workers;
  auto worker_count = static_cast<uint32_t>(std::min<uint64_t>(work.threads, work.item_count));
  workers.reserve(worker_count);
  int start_error = 0;
  for (uint32_t i = 0; i < worker_count && start_error == 0; ++i) {
    try {
      workers.emplace_back([&pipeline, i] { pipeline.work_as(i); });
    } catch (const std::system_error& error) {
      start_error = error.code().value();  // The process may have no more; fewer will do.
    }
  }
  Status status = workers.empty()
                      ? Status(Error(ErrorCode::kOutOfMemory,
                                     text("no thread could be started (errno ", start_error, ")")))
                      : pipeline.consume_all(stop);
  pipeline.close();
  for (std::thread& worker : workers) worker.join();
  return status;
}

Result<uint32_t> choose_thread_count(uint32_t threads) {
  if (threads > kPipelineThreadsMax) {
    return Error(ErrorCode::kInvalidArgument,
                 text("threads is ", threads, "; expected 0 to ", kPipelineThreadsMax));
  }
  if (threads > 0) return threads;
  cpu_set_t usable;
  CPU_ZERO(&usable);
  int count = sched_getaffinity(0, sizeof usable, &usable) == 0
                  ? CPU_COUNT(&usable)
                  : static_cast<int>(std::thread::hardware_concurrency());
  return static_cast<uint32_t>(std::clamp(count, 1, static_cast<int>(kPipelineThreadsMax)));
}

}  // namespace qload
