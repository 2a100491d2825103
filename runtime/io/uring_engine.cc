// The io_uring engine. The only file that includes liburing.
#include <liburing.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <utility>
#include <vector>

#include "format/base/assert.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "runtime/io/engine_limits.h"
#include "runtime/io/read_engine.h"
#include "runtime/io/transfer.h"

namespace qload {
namespace {

// Ring set-ups from best to plainest; a kernel that does not know a flag answers EINVAL. With
// DEFER_TASKRUN (Linux 6.1) completions cost no interrupt: they are processed inside wait().
// SQPOLL is never asked for: its polling thread takes a core from the decoder.
constexpr std::array kSetupFlags = {
#if defined(IORING_SETUP_SINGLE_ISSUER) && defined(IORING_SETUP_DEFER_TASKRUN)
    static_cast<unsigned>(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN),
#endif
#ifdef IORING_SETUP_COOP_TASKRUN
    static_cast<unsigned>(IORING_SETUP_COOP_TASKRUN),
#endif
    0u,
};

// How often, 1 ms apart, the kernel may refuse to take queued reads (no memory for requests) while
// it holds none of ours: after a second they fail with its errno.
constexpr uint32_t kRefusalsMax = 1000;

// The registered file table has two places for each file slot: its buffered descriptor, then its
// direct one.
constexpr size_t kTableSize = 2 * kFileSlots;

// The user data of the poll that wake() answers; reads have their slot's number.
constexpr uint64_t kWakeTag = ~uint64_t{0};

/// Owned by one thread; the kernel (SINGLE_ISSUER) refuses any other. Each read in flight has a
/// Transfer in slots_, and its slot's index as the ring's user data. The submission queue has one
/// entry more than depth(), a read has at most one of them and the poll for wake() one, so an entry
/// is always free.
class UringEngine final : public ReadEngine {
 public:
  explicit UringEngine(const EngineOptions& options) : depth_(options.queue_depth), slots_(depth_) {
    unstarted_.reserve(depth_);
    free_slots_.reserve(depth_);
    for (uint32_t slot = depth_; slot > 0; --slot) free_slots_.push_back(slot - 1);
  }

  /// Waits for what is in flight: the kernel must not write to memory after its release.
  ~UringEngine() override {
    if (!ring_exists_) return;
    std::array<Completion, 64> ignored;
    while (in_flight_ > 0) wait(ignored);
    io_uring_queue_exit(&ring_);
    if (wake_descriptor_ >= 0) close(wake_descriptor_);
  }

  /// 0, or the errno of the kernel's refusal.
  int set_up(std::span<std::byte> staging) {
    int refused = 0;
    for (const unsigned flags : kSetupFlags) {
      io_uring_params params = {};
      params.flags = flags;
      refused = -io_uring_queue_init_params(depth_ + 1, &ring_, &params);
      if (refused != EINVAL) break;
    }
    if (refused != 0) return refused;
    ring_exists_ = true;
    io_uring_register_ring_fd(&ring_);  // Saves a lookup in each call; fine without.
    std::array<int, kTableSize> none;
    none.fill(-1);
    file_table_exists_ = io_uring_register_files(&ring_, none.data(), none.size()) == 0;
    register_memory(staging);
    refused = probe();
    // After the probe: a kernel that refuses to poll an event counter still reads.
    if (refused == 0) wake_descriptor_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    wake_works_ = wake_descriptor_ >= 0;
    return refused;
  }

  IoBackend backend() const override { return IoBackend::kUring; }
  uint32_t depth() const override { return depth_; }
  uint32_t in_flight() const override { return in_flight_; }
  bool broken() const override { return broken_ != 0; }
  bool files_registered() const override { return last_registered_; }
  bool buffers_registered() const override { return buffers_registered_; }
  EngineCounters counters() const override { return counters_; }

  /// A file that does not register (a bad descriptor, an old kernel) is read by descriptor.
  Status attach_at(uint32_t file, const ReadFiles& files) override {
    QLOAD_ASSERT(file < kFileSlots);
    files_[file] = files;
    registered_[file] = false;
    if (!file_table_exists_) return Ok{};
    const unsigned first = 2 * file;
    const std::array<int, 2> wanted = {files.buffered, files.direct};
    registered_[file] = io_uring_register_files_update(&ring_, first, wanted.data(), 2) == 2;
    if (!registered_[file]) {
      constexpr std::array<int, 2> kNone = {-1, -1};  // Holds no file by half.
      io_uring_register_files_update(&ring_, first, kNone.data(), 2);
    }
    if (files.buffered >= 0 || files.direct >= 0) last_registered_ = registered_[file];
    return Ok{};
  }

  /// All of the memory or none: where RLIMIT_MEMLOCK is smaller, plain reads serve.
  void register_memory(std::span<std::byte> memory) override {
    if (memory.empty() || broken_ != 0) return;
    // What is queued runs meanwhile; a refusal shows in wait().
    if (io_uring_sq_ready(&ring_) > 0 && io_uring_submit(&ring_) > 0) wake_queued_ = false;
    const iovec block = {memory.data(), memory.size()};
    buffers_registered_ = io_uring_register_buffers(&ring_, &block, 1) == 0;
    if (buffers_registered_) registered_memory_ = memory;
  }

  void submit(const Read& read) override {
    QLOAD_ASSERT(in_flight_ < depth_);
    ++in_flight_;
    // To io_uring an offset of 2^64 - 1 means the file position; pread answers EINVAL to any that
    // is no off_t, and so does this engine.
    constexpr auto kOffsetMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    const bool offset_fits = range_fits(read.offset, read.bytes, kOffsetMax);
    if (broken_ != 0 || !offset_fits) {
      unstarted_.push_back({read.tag, broken_ != 0 ? broken_ : EINVAL, 0});
      return;
    }
    const uint32_t slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[slot] = Transfer(read, files_[read.file].direct_alignment);
    queue(slot);
  }

  void wake() override {
    constexpr uint64_t kOne = 1;
    // A full counter has woken the owner already.
    if (wake_descriptor_ >= 0) (void)!write(wake_descriptor_, &kOne, sizeof kOne);
  }

  size_t wait(std::span<Completion> out) override {
    QLOAD_ASSERT(in_flight_ > 0 && !out.empty());
    uint32_t refusals = 0;
    for (;;) {
      size_t count = take_unstarted(out);
      count += reap(out.subspan(count));
      if (count > 0 || std::exchange(woken_, false)) {
        // Reads that stay queued start before the caller turns to what has finished. A refusal
        // shows in the next call.
        if (broken_ == 0 && io_uring_sq_ready(&ring_) > 0 && io_uring_submit(&ring_) > 0) {
          wake_queued_ = false;
        }
        in_flight_ -= static_cast<uint32_t>(count);
        return count;
      }
      if (!wake_armed_ && wake_works_) arm_wake();
      const int result = io_uring_submit_and_wait(&ring_, 1);
      if (result > 0) wake_queued_ = false;
      if (result >= 0 || result == -EINTR) continue;
      QLOAD_ASSERT(result != -EEXIST);  // Another thread than the owner called.
      const uint32_t reads_queued = io_uring_sq_ready(&ring_) - (wake_queued_ ? 1 : 0);
      const bool kernel_holds_some = reads_queued < depth_ - free_slots_.size();
      const bool may_pass = result == -EAGAIN || result == -EBUSY || result == -ENOMEM;
      if (!kernel_holds_some && (!may_pass || ++refusals >= kRefusalsMax)) {
        fail_queued(-result);
      } else {
        const timespec pause = {0, 1'000'000};
        nanosleep(&pause, nullptr);
      }
    }
  }

 private:
  /// Asks the ring to answer when wake() counts up. Queued alone, so that when the kernel refuses
  /// to take it, it is known to be the first of the queue until something is taken.
  void arm_wake() {
    if (io_uring_sq_ready(&ring_) > 0) io_uring_submit(&ring_);
    if (io_uring_sq_ready(&ring_) > 0) return;
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    QLOAD_ASSERT(entry != nullptr);
    io_uring_prep_poll_add(entry, wake_descriptor_, POLLIN);
    io_uring_sqe_set_data64(entry, kWakeTag);
    wake_armed_ = true;
    wake_queued_ = io_uring_submit(&ring_) != 1;
  }

  void take_wake(int result) {
    wake_armed_ = false;
    woken_ = true;
    uint64_t count = 0;
    (void)!read(wake_descriptor_, &count, sizeof count);
    if (result < 0) wake_works_ = false;  // A kernel that does not poll would answer without end.
  }

  /// Reads one page through the ring, by READ and, where staging is registered, by READ_FIXED.
  int probe() {
    std::array<std::byte, 64> written;
    written.fill(std::byte{0x5a});
    const int descriptor = memfd_create("qload-probe", MFD_CLOEXEC);
    if (descriptor < 0) return errno;
    int refused = 0;
    if (write(descriptor, written.data(), written.size()) != ssize_t{written.size()}) {
      refused = errno;
    }
    if (refused == 0) refused = attach({.buffered = descriptor}).ok() ? 0 : EIO;
    if (refused == 0) {
      std::array<std::byte, written.size()> memory = {};
      refused = probe_read(memory, written);
    }
    if (refused == 0 && buffers_registered_) {
      const auto fixed =
          registered_memory_.first(std::min(registered_memory_.size(), written.size()));
      if (probe_read(fixed, written) != 0) {
        buffers_registered_ = false;
        io_uring_unregister_buffers(&ring_);
      }
    }
    (void)attach({});
    close(descriptor);
    return refused;
  }

  int probe_read(std::span<std::byte> into, std::span<const std::byte> expected) {
    const auto bytes = static_cast<uint32_t>(into.size());
    submit({.data = into.data(), .bytes = bytes, .bytes_required = bytes});
    std::array<Completion, 1> done;
    wait(done);
    if (done[0].error_number != 0) return done[0].error_number;
    return std::equal(into.begin(), into.end(), expected.begin()) ? 0 : EIO;
  }

  /// Puts the next piece of a slot's read on the submission queue.
  void queue(uint32_t slot) {
    const Transfer& transfer = slots_[slot];
    const bool direct = transfer.read().direct;
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    QLOAD_ASSERT(entry != nullptr);
    const uint32_t file = transfer.read().file;
    int descriptor = direct ? files_[file].direct : files_[file].buffered;
    const bool registered = registered_[file];
    if (registered) descriptor = static_cast<int>(2 * file + (direct ? 1 : 0));
    if (lies_in_registered_memory(transfer)) {
      io_uring_prep_read_fixed(entry, descriptor, transfer.data(), transfer.bytes(),
                               transfer.offset(), 0);
    } else {
      io_uring_prep_read(entry, descriptor, transfer.data(), transfer.bytes(), transfer.offset());
    }
    if (registered) io_uring_sqe_set_flags(entry, IOSQE_FIXED_FILE);
    io_uring_sqe_set_data64(entry, slot);
  }

  bool lies_in_registered_memory(const Transfer& transfer) const {
    if (!buffers_registered_) return false;
    const auto start = reinterpret_cast<uintptr_t>(registered_memory_.data());
    const auto from = reinterpret_cast<uintptr_t>(transfer.data());
    return from >= start && range_fits(from - start, transfer.bytes(), registered_memory_.size());
  }

  size_t take_unstarted(std::span<Completion> out) {
    const size_t count = std::min(out.size(), unstarted_.size());
    const auto end = unstarted_.begin() + static_cast<std::ptrdiff_t>(count);
    std::copy(unstarted_.begin(), end, out.begin());
    unstarted_.erase(unstarted_.begin(), end);
    return count;
  }

  /// Takes answers off the completion queue until it is empty or `out` is full.
  size_t reap(std::span<Completion> out) {
    size_t count = 0;
    io_uring_cqe* entry = nullptr;
    while (count < out.size() && io_uring_peek_cqe(&ring_, &entry) == 0) {
      const uint64_t tag = io_uring_cqe_get_data64(entry);
      const int result = entry->res;
      io_uring_cqe_seen(&ring_, entry);
      if (tag == kWakeTag) {
        take_wake(result);
        continue;
      }
      const auto slot = static_cast<uint32_t>(tag);
      Transfer& transfer = slots_[slot];
      if (transfer.take_result(result) == Transfer::Next::kResume) {
        queue(slot);
        continue;
      }
      counters_.short_reads += transfer.was_short() ? 1 : 0;
      out[count++] = transfer.completion();
      free_slots_.push_back(slot);
    }
    return count;
  }

  /// Gives up on the ring. REQUIRES: the kernel holds no read, so every slot in use is queued.
  void fail_queued(int error_number) {
    broken_ = error_number;
    const size_t free_count = free_slots_.size();
    for (uint32_t slot = 0; slot < depth_; ++slot) {
      const auto free_end = free_slots_.begin() + static_cast<std::ptrdiff_t>(free_count);
      if (std::find(free_slots_.begin(), free_end, slot) != free_end) continue;
      unstarted_.push_back({slots_[slot].read().tag, error_number, 0});
      free_slots_.push_back(slot);
    }
  }

  const uint32_t depth_;
  std::span<std::byte> registered_memory_;
  io_uring ring_ = {};
  std::array<ReadFiles, kFileSlots> files_;
  std::array<bool, kFileSlots> registered_ = {};
  std::vector<Transfer> slots_;
  std::vector<uint32_t> free_slots_;
  std::vector<Completion> unstarted_;  // Failed before the kernel had them.
  EngineCounters counters_;
  uint32_t in_flight_ = 0;
  int broken_ = 0;  // The errno for which the ring is no longer used.
  bool ring_exists_ = false;
  bool file_table_exists_ = false;
  bool last_registered_ = false;  // The last file attached.
  bool buffers_registered_ = false;
  int wake_descriptor_ = -1;  // An event counter that any thread writes; fixed once set up.
  bool wake_works_ = false;
  bool wake_armed_ = false;
  bool wake_queued_ = false;  // The poll is the first entry of the submission queue.
  bool woken_ = false;
};

Error refused_error(int error_number, int* refusal) {
  if (refusal != nullptr) *refusal = error_number;
  const Error reason = error_from_errno("the kernel refuses io_uring", error_number);
  return Error(ErrorCode::kUnsupported, std::string(reason.message()));
}

}  // namespace

Result<std::unique_ptr<ReadEngine>> make_uring_engine(const EngineOptions& options, int* refusal) {
  if (refusal != nullptr) *refusal = 0;
  QLOAD_CHECK(check_queue_depth(options.queue_depth));
#ifdef __ANDROID__
  // Android's filter for applications kills the process at the first io_uring call.
  return refused_error(ENOSYS, refusal);
#else
  auto engine = std::make_unique<UringEngine>(options);
  if (const int refused = engine->set_up(options.staging); refused != 0)
    return refused_error(refused, refusal);
  return std::unique_ptr<ReadEngine>(std::move(engine));
#endif
}

}  // namespace qload
