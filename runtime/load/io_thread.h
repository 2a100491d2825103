// IoThread: the one thread that creates the read engines, submits reads and reaps them.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "qload/options.h"
#include "qload/result.h"
#include "runtime/decode/decode_pool.h"
#include "runtime/io/read_engine.h"
#include "runtime/load/load_session.h"
#include "runtime/memory/staging_ring.h"

namespace qload {

/// Makes an engine of one backend (kUring or kPread); called on the I/O thread. On refusal
/// *refusal receives the errno. Tests put faulty engines here.
using EngineFactory = std::function<Result<std::unique_ptr<ReadEngine>>(
    IoBackend backend, const EngineOptions& options, int* refusal)>;

/// The factory that uses the kernel.
EngineFactory kernel_engine_factory();

/// Facts about the engine that ran, for statistics.
struct EngineFacts {
  IoBackend backend = IoBackend::kAuto;
  bool files_registered = false;
  bool buffers_registered = false;
  uint64_t short_reads = 0;
  bool broke = false;  ///< The kernel stopped serving the engine during the session.
};

/// Owns the thread and, in it, the engines: io_uring belongs to the thread that created it. One
/// session at a time: post, then wait until done.
class IoThread {
 public:
  struct Options {
    IoBackend backend = IoBackend::kAuto;
    EngineOptions engine;
    StagingRing* staging = nullptr;  ///< Borrowed, like pool.
    DecodePool* pool = nullptr;
  };
  /// Starts the thread and probes io_uring there, unless the backend is kPread. A refusal is an
  /// error only when the backend is kUring.
  static Result<std::unique_ptr<IoThread>> start(const Options& options, EngineFactory factory);
  /// Joins. REQUIRES: no session under way.
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  /// May become false when the kernel stops serving the ring.
  bool uring_works() const { return uring_works_.load(); }
  int uring_refusal() const { return uring_refusal_.load(); }  ///< errno; 0: not refused.

  /// Runs `session` with an engine of `backend` (kUring only when uring_works()).
  void post(LoadSession* session, IoBackend backend);
  /// Waits until the posted session is done, at most `limit`. True when it is.
  bool wait_done(std::chrono::milliseconds limit);
  /// Facts of the last session; the error when no engine could be made for it.
  Result<EngineFacts> take_facts();

 private:
  IoThread(const Options& options, EngineFactory factory);
  void thread_main();
  Result<std::unique_ptr<ReadEngine>> make_engine(IoBackend backend, int* refusal);
  void run_session(LoadSession& session, IoBackend backend);

  const Options options_;
  const EngineFactory factory_;

  // I/O thread only.
  std::unique_ptr<ReadEngine> uring_;
  std::unique_ptr<ReadEngine> pread_;

  std::atomic<bool> uring_works_ = false;
  std::atomic<int> uring_refusal_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool ready_ = false;  // Guarded by mutex_, like all below.
  Status start_status_ = Ok{};
  bool stopping_ = false;
  LoadSession* session_ = nullptr;
  IoBackend backend_ = IoBackend::kAuto;
  Result<EngineFacts> facts_ = EngineFacts{};

  std::thread thread_;
};

}  // namespace qload
