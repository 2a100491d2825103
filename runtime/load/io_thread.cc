#include "runtime/load/io_thread.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <system_error>
#include <utility>

#include "format/base/assert.h"
#include "format/base/blocked_signals.h"

namespace qload {

namespace {

// Threads of the pread engine. Eight reach a fast SSD's rate with O_DIRECT reads of 1 MiB, and
// from the page cache more than the processors of an edge device can copy (docs/performance.md).
constexpr uint32_t kPreadThreads = 8;

// Registering staging memory touches it, some 3 ms for 16 MiB, and then saves half of the system's
// share of each read: loads that read much less than this together end sooner without
// (docs/performance.md, "Where the time goes").
constexpr uint64_t kRegistrationBytesMin = 256u << 20;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

double now_seconds() {
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

}  // namespace

EngineFactory kernel_engine_factory() {
  return [](IoBackend backend, const EngineOptions& options,
            int* refusal) -> Result<std::unique_ptr<ReadEngine>> {
    if (backend == IoBackend::kUring) return make_uring_engine(options, refusal);
    return make_pread_engine(options, std::min(options.queue_depth, kPreadThreads));
  };
}

IoThread::IoThread(const Options& options, EngineFactory factory)
    : options_(options), factory_(std::move(factory)), tuner_(options.largest) {}

Result<std::unique_ptr<IoThread>> IoThread::start(const Options& options, EngineFactory factory,
                                                  int* refusal) {
  std::unique_ptr<IoThread> io(new IoThread(options, std::move(factory)));
  try {
    const BlockedSignals blocked;
    io->thread_ = std::thread([raw = io.get()] { raw->thread_main(); });
  } catch (const std::system_error&) {
    return Error(ErrorCode::kOutOfMemory, "cannot start the I/O thread");
  }
  std::unique_lock lock(io->mutex_);
  io->changed_.wait(lock, [&] { return io->ready_; });
  if (refusal != nullptr) *refusal = io->refusal_;
  Status status = io->start_status_;
  lock.unlock();
  if (!status.ok()) return std::move(status).error();
  return io;
}

IoThread::~IoThread() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void IoThread::post(ReadFeed* feed) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(feed);
  }
  nudge();
}

void IoThread::nudge() {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    nudged_ = true;
    wake = waits_for_reads_;
  }
  changed_.notify_all();
  if (wake) engine_->wake();
}

void IoThread::thread_main() {
  Status status = Ok{};
  int refusal = 0;
  // An exception would end the process: this thread has no caller.
  try {
    if (options_.on_start) options_.on_start();
    auto made = factory_(options_.backend, options_.engine, &refusal);
    if (made.ok()) {
      engine_ = std::move(made).value();
      active_.resize(kFileSlots);
      posted_.reserve(kFileSlots);
      const uint32_t depth = engine_->depth();
      tags_.resize(depth);
      completions_.resize(depth);
      for (uint32_t tag = depth; tag-- > 0;) free_tags_.push_back(tag);
    } else {
      status = std::move(made).error();
    }
  } catch (const std::exception& exception) {
    status = Error(ErrorCode::kOutOfMemory, exception.what());
  }
  std::unique_lock lock(mutex_);
  const bool failed = !status.ok();
  start_status_ = std::move(status);
  refusal_ = refusal;
  ready_ = true;
  changed_.notify_all();
  if (!failed) serve(lock);
  lock.unlock();
  engine_.reset();  // An engine dies on the thread that made it.
}

// Keep the engine full, wait for whatever finishes, hand it on. `lock` is held between the steps.
void IoThread::serve(std::unique_lock<std::mutex>& lock) {
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !posted_.empty() || active_count_ > 0; });
    while (!posted_.empty()) {
      ReadFeed* const feed = posted_.back();
      posted_.pop_back();
      lock.unlock();
      admit(feed);
      lock.lock();
    }
    if (active_count_ == 0 && stopping_) return;
    nudged_ = false;
    lock.unlock();
    const bool no_room = submit_round();
    if (admitted_bytes_ >= kRegistrationBytesMin && !registration_done_) {
      // With the first reads under way, which are slow enough to wait for.
      engine_->register_memory(options_.staging);
      registration_done_ = true;
    }
    retire_drained();
    lock.lock();
    if (engine_->in_flight() > 0) {
      wait_for_reads(lock);
    } else if (active_count_ > 0 && no_room) {
      wait_for_room(lock);
    }
  }
}

void IoThread::admit(ReadFeed* feed) {
  uint32_t place = 0;
  while (active_[place].feed != nullptr) {
    ++place;
    QLOAD_ASSERT(place < kFileSlots);
  }
  if (feed->begin(engine_->depth())) {
    Status attached = engine_->attach_at(place, feed->files());
    if (!attached.ok()) feed->session().fail(std::move(attached).error());
  }
  active_[place] = {feed, engine_->counters().short_reads};
  ++active_count_;
  if (shares_drive(*feed)) tuner_.disturbed();
  if (feed->device() != device_) tuner_.restart();
  device_ = feed->device();
  admitted_bytes_ += feed->session().plan().read_bytes;
}

// Two loads in one trial of the tuner would measure both. Those of a series read one after the
// other.
bool IoThread::shares_drive(const ReadFeed& feed) const {
  return std::ranges::any_of(active_, [&](const Active& other) {
    return other.feed != nullptr && other.feed != &feed &&
           (feed.series().of == nullptr || other.feed->series().of != feed.series().of);
  });
}

// One of a series may come here before the one that goes first. Then what it has begun is ended,
// for that holds staging memory; and it does not stand in line for more, where it would be asked
// only after the one that stands behind it.
bool IoThread::may_submit(const ReadFeed& feed) const {
  if (!must_wait(feed) || feed.has_begun()) return true;
  feed.give_up_turn();
  return false;
}

bool IoThread::must_wait(const ReadFeed& feed) const {
  if (feed.series().of == nullptr) return false;
  return std::ranges::any_of(active_, [&](const Active& other) {
    return other.feed != nullptr && other.feed->series().of == feed.series().of &&
           other.feed->series().position < feed.series().position && !other.feed->all_submitted();
  });
}

// Lets the loads submit in turn until none can. True when one waits for staging memory.
bool IoThread::submit_round() {
  bool no_room = false;
  for (bool submitted = true; submitted;) {
    submitted = false;
    for (uint32_t i = 0; i < kFileSlots; ++i) {
      const uint32_t place = (next_place_ + i) % kFileSlots;
      const ReadFeed* const feed = active_[place].feed;
      if (feed == nullptr || !may_submit(*feed) || !submit_one(place, no_room)) continue;
      submitted = true;
    }
    next_place_ = (next_place_ + 1) % kFileSlots;
  }
  if (no_room) tuner_.disturbed();
  return no_room;
}

bool IoThread::submit_one(uint32_t place, bool& no_room) {
  const ReadShape& shape = tuner_.shape();
  if (free_tags_.empty() || in_flight_bytes_ >= shape.in_flight_bytes) return false;
  Read read;
  uint32_t flight = 0;
  const ReadFeed::Step step = active_[place].feed->next(shape.part_bytes, read, flight);
  no_room |= step == ReadFeed::Step::kNoRoom;
  if (step != ReadFeed::Step::kRead) return false;
  read.tag = free_tags_.back();
  free_tags_.pop_back();
  read.file = place;
  tags_[read.tag] = {place, flight, read.bytes};
  in_flight_bytes_ += read.bytes;
  engine_->submit(read);
  return true;
}

void IoThread::wait_for_reads(std::unique_lock<std::mutex>& lock) {
  if (nudged_ || !posted_.empty()) return;
  waits_for_reads_ = true;
  lock.unlock();
  const auto begin = Clock::now();
  reap();
  add_waits(seconds_since(begin), 0);
  lock.lock();
  waits_for_reads_ = false;
}

// Only a decode thread can free staging memory, and it nudges.
void IoThread::wait_for_room(std::unique_lock<std::mutex>& lock) {
  const auto begin = Clock::now();
  changed_.wait(lock, [this] { return nudged_ || !posted_.empty(); });
  add_waits(0, seconds_since(begin));
}

void IoThread::reap() {
  const size_t count = engine_->wait(completions_);
  const double now = now_seconds();
  for (size_t i = 0; i < count; ++i) {
    const Completion& completion = completions_[i];
    const Tag tag = tags_[completion.tag];
    free_tags_.push_back(completion.tag);
    in_flight_bytes_ -= tag.bytes;
    tuner_.arrived(completion.bytes, now);
    active_[tag.place].feed->ended(tag.flight, completion);
  }
  if (engine_->broken()) broken_ = true;
}

void IoThread::add_waits(double read_seconds, double room_seconds) {
  for (const Active& active : active_) {
    if (active.feed != nullptr) active.feed->add_waits(read_seconds, room_seconds);
  }
}

void IoThread::retire_drained() {
  for (uint32_t place = 0; place < kFileSlots; ++place) {
    ReadFeed* const feed = active_[place].feed;
    if (feed == nullptr) continue;
    // A stop may have come since the feed was last asked for a read, and may come right now.
    const bool stopping = feed->session().stopping();
    if (stopping) feed->abandon();
    if (!feed->drained(stopping)) continue;
    EngineFacts facts;
    facts.backend = engine_->backend();
    facts.files_registered = engine_->files_registered();
    facts.buffers_registered = engine_->buffers_registered();
    facts.short_reads = engine_->counters().short_reads - active_[place].short_reads_before;
    facts.part_bytes = tuner_.shape().part_bytes;
    facts.in_flight_bytes = tuner_.shape().in_flight_bytes;
    facts.broke = engine_->broken();
    // A registered file would keep a deleted model's disk space for as long as the Loader lives.
    (void)engine_->attach_at(place, {});
    active_[place].feed = nullptr;
    --active_count_;
    feed->set_facts(facts);
    feed->session().close();  // The feed may be gone from here on.
  }
}

}  // namespace qload
