#include "runtime/load/io_thread.h"

#include <algorithm>
#include <cerrno>
#include <exception>
#include <system_error>

#include "format/base/assert.h"
#include "format/base/blocked_signals.h"

namespace qload {

namespace {

// Threads of the pread engine. Eight reach a fast SSD's rate with O_DIRECT reads of 1 MiB, and
// from the page cache more than the processors of an edge device can copy (docs/performance.md).
constexpr uint32_t kPreadThreads = 8;

}  // namespace

EngineFactory kernel_engine_factory() {
  return [](IoBackend backend, const EngineOptions& options,
            int* refusal) -> Result<std::unique_ptr<ReadEngine>> {
    if (backend == IoBackend::kUring) return make_uring_engine(options, refusal);
    return make_pread_engine(options, std::min(options.queue_depth, kPreadThreads));
  };
}

Result<std::unique_ptr<ReadEngine>> IoThread::make_engine(IoBackend backend, int* refusal) {
  // An exception would end the process: this thread has no caller.
  try {
    return factory_(backend, options_.engine, refusal);
  } catch (const std::exception& exception) {
    return Error(ErrorCode::kOutOfMemory, exception.what());
  }
}

IoThread::IoThread(const Options& options, EngineFactory factory)
    : options_(options), factory_(std::move(factory)) {}

Result<std::unique_ptr<IoThread>> IoThread::start(const Options& options, EngineFactory factory) {
  std::unique_ptr<IoThread> io(new IoThread(options, std::move(factory)));
  try {
    const BlockedSignals blocked;
    io->thread_ = std::thread([raw = io.get()] { raw->thread_main(); });
  } catch (const std::system_error&) {
    return Error(ErrorCode::kOutOfMemory, "cannot start the I/O thread");
  }
  std::unique_lock lock(io->mutex_);
  io->changed_.wait(lock, [&] { return io->ready_; });
  if (!io->start_status_.ok()) {
    Error error = io->start_status_.error();
    lock.unlock();
    return error;
  }
  lock.unlock();
  return io;
}

IoThread::~IoThread() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    QLOAD_ASSERT(session_ == nullptr);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void IoThread::post(LoadSession* session, IoBackend backend) {
  {
    const std::lock_guard lock(mutex_);
    QLOAD_ASSERT(session_ == nullptr);
    session_ = session;
    backend_ = backend;
  }
  changed_.notify_all();
}

bool IoThread::wait_done(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [this] { return session_ == nullptr; });
}

Result<EngineFacts> IoThread::take_facts() {
  const std::lock_guard lock(mutex_);
  return facts_;
}

void IoThread::thread_main() {
  Status status = Ok{};
  if (options_.backend != IoBackend::kPread) {
    int refusal = 0;
    auto made = make_engine(IoBackend::kUring, &refusal);
    uring_refusal_ = refusal;
    if (made.ok()) {
      uring_ = std::move(made).value();
      uring_works_ = true;
    } else if (options_.backend == IoBackend::kUring) {
      status = made.error();
    }
  }
  std::unique_lock lock(mutex_);
  start_status_ = std::move(status);
  ready_ = true;
  changed_.notify_all();
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || session_ != nullptr; });
    if (session_ == nullptr) break;
    LoadSession& session = *session_;
    const IoBackend backend = backend_;
    lock.unlock();
    run_session(session, backend);
    lock.lock();
    session_ = nullptr;
    changed_.notify_all();
  }
  // Engines die on the thread that made them.
  lock.unlock();
  uring_.reset();
  pread_.reset();
}

void IoThread::run_session(LoadSession& session, IoBackend backend) {
  ReadEngine* engine = uring_.get();
  if (backend != IoBackend::kUring) {
    if (pread_ == nullptr) {
      auto made = make_engine(IoBackend::kPread, nullptr);
      if (!made.ok()) {
        const std::lock_guard lock(mutex_);
        facts_ = made.error();
        return;
      }
      pread_ = std::move(made).value();
    }
    engine = pread_.get();
  }
  const uint64_t short_reads_before = engine->counters().short_reads;
  session.run_reads({engine, options_.staging, options_.pool});
  EngineFacts facts;
  facts.backend = engine->backend();
  facts.files_registered = engine->files_registered();
  facts.buffers_registered = engine->buffers_registered();
  facts.short_reads = engine->counters().short_reads - short_reads_before;
  facts.broke = engine->broken();
  // A registered file would keep a deleted model's disk space for as long as the Loader lives.
  (void)engine->attach({});
  if (facts.broke && engine == uring_.get()) {
    uring_works_ = false;
    uring_refusal_ = EPERM;
    uring_.reset();
  }
  const std::lock_guard lock(mutex_);
  facts_ = facts;
}

}  // namespace qload
