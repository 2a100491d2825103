// IoThread: the one thread that creates a read engine, submits its reads and reaps them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "qload/options.h"
#include "qload/result.h"
#include "runtime/io/read_engine.h"
#include "runtime/load/read_feed.h"
#include "runtime/load/read_tuner.h"

namespace qload {

/// Makes an engine of one backend (kUring or kPread); called on the I/O thread. On refusal
/// *refusal receives the errno. Tests put faulty engines here.
using EngineFactory = std::function<Result<std::unique_ptr<ReadEngine>>(
    IoBackend backend, const EngineOptions& options, int* refusal)>;

/// The factory that uses the kernel.
EngineFactory kernel_engine_factory();

/// Owns the thread and, in it, the engine: io_uring belongs to the thread that created it. Serves
/// the loads posted to it together, read by read in turn.
class IoThread {
 public:
  struct Options {
    IoBackend backend = IoBackend::kUring;
    EngineOptions engine;
    /// Registered with the engine once the loads are large enough for it to pay.
    std::span<std::byte> staging;
    ReadShape largest;               ///< Part size and bytes in flight never exceed it.
    std::function<void()> on_start;  ///< Runs first on the thread (its placement); may be null.
  };
  /// Starts the thread and makes the engine there. When that fails the error comes back, and with
  /// `refusal` not null the errno of the kernel's refusal.
  static Result<std::unique_ptr<IoThread>> start(const Options& options, EngineFactory factory,
                                                 int* refusal);
  /// Joins. REQUIRES: no load under way.
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  /// Starts reading `feed`, until it is drained; then its session is closed, and it may be
  /// destroyed once the session is finished. REQUIRES: fewer than kFileSlots under way.
  void post(ReadFeed* feed);
  /// Staging memory became free, or a load was cancelled. Any thread.
  void nudge();
  /// True once the kernel stopped serving the engine: loads posted later fail too.
  bool broken() const { return broken_.load(); }

 private:
  struct Tag {
    uint32_t place = 0;  // In active_.
    uint32_t flight = 0;
    uint32_t bytes = 0;
  };
  struct Active {
    ReadFeed* feed = nullptr;  // Null: a free place.
    uint64_t short_reads_before = 0;
  };

  IoThread(const Options& options, EngineFactory factory);
  void thread_main();
  void serve(std::unique_lock<std::mutex>& lock);
  void admit(ReadFeed* feed);
  bool submit_round();
  bool submit_one(uint32_t place, bool& no_room);
  bool may_submit(const ReadFeed& feed) const;
  bool must_wait(const ReadFeed& feed) const;
  bool shares_drive(const ReadFeed& feed) const;
  void wait_for_reads(std::unique_lock<std::mutex>& lock);
  void wait_for_room(std::unique_lock<std::mutex>& lock);
  void reap();
  void retire_drained();
  void add_waits(double read_seconds, double room_seconds);

  const Options options_;
  const EngineFactory factory_;

  // I/O thread only. The engine is also woken by others while a load is under way.
  std::unique_ptr<ReadEngine> engine_;
  std::vector<Active> active_;
  uint32_t active_count_ = 0;
  uint32_t next_place_ = 0;
  std::vector<Tag> tags_;
  std::vector<uint32_t> free_tags_;
  std::vector<Completion> completions_;
  uint64_t in_flight_bytes_ = 0;
  uint64_t admitted_bytes_ = 0;  // Of all loads so far.
  bool registration_done_ = false;
  uint64_t device_ = 0;  // That the tuner learns about.
  ReadTuner tuner_;

  std::atomic<bool> broken_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool ready_ = false;  // Guarded by mutex_, like all below.
  Status start_status_ = Ok{};
  int refusal_ = 0;
  bool stopping_ = false;
  bool nudged_ = false;
  bool waits_for_reads_ = false;
  std::vector<ReadFeed*> posted_;

  std::thread thread_;
};

}  // namespace qload
