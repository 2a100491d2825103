// The engine of pread threads: the same contract as io_uring, on any kernel.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "format/base/assert.h"
#include "format/base/blocked_signals.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "runtime/io/engine_limits.h"
#include "runtime/io/read_engine.h"
#include "runtime/io/transfer.h"

namespace qload {
namespace {

/// Reads wait in a ring of depth() places; each thread takes one, carries it to its end and puts
/// its completion down. Everything shared is guarded by mutex_.
class PreadEngine final : public ReadEngine {
 public:
  explicit PreadEngine(uint32_t depth) : depth_(depth), queue_(depth) { finished_.reserve(depth); }

  /// Reads that no thread has taken are dropped; those running end before this returns.
  ~PreadEngine() override {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    work_ready_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  Status start_threads(uint32_t count) {
    BlockedSignals blocked;
    try {
      threads_.reserve(count);
      while (threads_.size() < count) threads_.emplace_back([this] { run(); });
    } catch (const std::system_error& failure) {
      return error_from_errno(text("cannot start read thread ", threads_.size() + 1, " of ", count),
                              failure.code().value());
    }
    return Ok{};
  }

  IoBackend backend() const override { return IoBackend::kPread; }
  uint32_t depth() const override { return depth_; }
  uint32_t in_flight() const override { return in_flight_; }

  Status attach_at(uint32_t file, const ReadFiles& files) override {
    QLOAD_ASSERT(file < kFileSlots);
    std::lock_guard lock(mutex_);
    files_[file] = files;
    return Ok{};
  }

  void submit(const Read& read) override {
    QLOAD_ASSERT(in_flight_ < depth_);
    ++in_flight_;
    {
      std::lock_guard lock(mutex_);
      queue_[(queue_head_ + queue_count_++) % depth_] = read;
    }
    work_ready_.notify_one();
  }

  size_t wait(std::span<Completion> out) override {
    QLOAD_ASSERT(in_flight_ > 0 && !out.empty());
    std::unique_lock lock(mutex_);
    finished_ready_.wait(lock, [this] { return !finished_.empty() || woken_; });
    woken_ = false;
    const size_t count = std::min(out.size(), finished_.size());
    const auto end = finished_.begin() + static_cast<std::ptrdiff_t>(count);
    std::copy(finished_.begin(), end, out.begin());
    finished_.erase(finished_.begin(), end);
    in_flight_ -= static_cast<uint32_t>(count);
    return count;
  }

  void wake() override {
    {
      std::lock_guard lock(mutex_);
      woken_ = true;
    }
    finished_ready_.notify_one();
  }

  EngineCounters counters() const override {
    std::lock_guard lock(mutex_);
    return counters_;
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      work_ready_.wait(lock, [this] { return stopping_ || queue_count_ > 0; });
      if (stopping_) return;
      const Read read = queue_[queue_head_];
      queue_head_ = (queue_head_ + 1) % depth_;
      --queue_count_;
      const ReadFiles files = files_[read.file];
      lock.unlock();
      const Transfer transfer = carry_out(read, files);
      lock.lock();
      counters_.short_reads += transfer.was_short() ? 1 : 0;
      finished_.push_back(transfer.completion());
      finished_ready_.notify_one();
    }
  }

  static Transfer carry_out(const Read& read, const ReadFiles& files) {
    const int descriptor = read.direct ? files.direct : files.buffered;
    Transfer transfer(read, files.direct_alignment);
    for (;;) {
      const ssize_t bytes = pread(descriptor, transfer.data(), transfer.bytes(),
                                  static_cast<off_t>(transfer.offset()));
      if (transfer.take_result(bytes >= 0 ? bytes : -errno) == Transfer::Next::kFinished) {
        return transfer;
      }
    }
  }

  const uint32_t depth_;
  uint32_t in_flight_ = 0;  // The owner's alone.
  std::vector<std::thread> threads_;

  mutable std::mutex mutex_;
  std::condition_variable work_ready_;
  std::condition_variable finished_ready_;
  std::array<ReadFiles, kFileSlots> files_;
  std::vector<Read> queue_;  // A ring: queue_count_ reads from queue_head_ on.
  size_t queue_head_ = 0;
  size_t queue_count_ = 0;
  std::vector<Completion> finished_;  // Never more than depth_.
  EngineCounters counters_;
  bool stopping_ = false;
  bool woken_ = false;
};

}  // namespace

Result<std::unique_ptr<ReadEngine>> make_pread_engine(const EngineOptions& options,
                                                      uint32_t threads) {
  QLOAD_CHECK(check_queue_depth(options.queue_depth));
  if (threads == 0) {
    return Error(ErrorCode::kInvalidArgument, "0 read threads, at least 1 is needed");
  }
  auto engine = std::make_unique<PreadEngine>(options.queue_depth);
  QLOAD_CHECK(engine->start_threads(std::min(threads, options.queue_depth)));
  return std::unique_ptr<ReadEngine>(std::move(engine));
}

}  // namespace qload
