// The plain file read layer after layer into two buffers, by the strongest way to read it; what
// qload keeps decoded stays in memory here too.
#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bench/load/fresh_memory.h"
#include "bench/paper/range_read.h"
#include "bench/stream/pass_contender.h"
#include "format/base/checked.h"
#include "format/base/limits.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kBuffers = 2;

/// Layers of all passes are numbered through; number n goes to worker n % workers, which has a
/// buffer and a ring of its own. Reads of a layer are submitted when all of the one before have
/// been, so that the drive never waits for a layer's last reads.
class ReadPasses : public PassContender {
 public:
  explicit ReadPasses(const PassModel& model) : model_(model) {}
  ~ReadPasses() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  Status open() override {
    QLOAD_TRY(plan_,
              plan_as_stream(model_.container, model_.setting.budget, model_.setting.threads));
    QLOAD_TRY(files_, open_direct(model_.plain_files));
    QLOAD_CHECK(keep_resident());
    uint64_t buffer_bytes = 0;
    for (const PassLayer& layer : plan_.layers) {
      pieces_.push_back(piece_of(layer.streamed));
      buffer_bytes = std::max(buffer_bytes, arena_bytes(pieces_.back()));
    }
    // Where the budget holds one layer, there is one buffer.
    workers_ = plan_.overlaps ? kBuffers : 1;
    for (uint32_t worker = 0; worker < workers_; ++worker) {
      QLOAD_TRY(buffers_[worker].memory, FreshMemory::allocate(buffer_bytes, true));
      threads_.emplace_back([this, worker] { work(worker); });
    }
    return Ok{};
  }

  size_t layer_count() const override { return plan_.layers.size(); }

  Result<std::span<const PassTensor>> next() override {
    Buffer& buffer = buffers_[next_ % workers_];
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return buffer.full || error_; });
      if (!buffer.full) return *error_;
    }
    const size_t layer = next_ % plan_.layers.size();
    tensors_.clear();
    for (const uint32_t tensor : plan_.layers[layer].resident) {
      tensors_.push_back({.tensor = tensor, .data = resident_.at(tensor)});
    }
    const StreamPiece& piece = pieces_[layer];
    for (size_t i = 0; i < piece.tensors.size(); ++i) {
      const StreamTensor& place = piece.tensors[i];
      tensors_.push_back({.tensor = plan_.layers[layer].streamed[i],
                          .data = buffer.memory.bytes().subspan(place.range_place, place.bytes)});
    }
    return std::span<const PassTensor>(tensors_);
  }

  void release() override {
    {
      const std::lock_guard lock(mutex_);
      buffers_[next_++ % workers_].full = false;
    }
    changed_.notify_all();
  }

  void describe_pass(PassSample& sample) override {
    const std::lock_guard lock(mutex_);
    if (reading_ > 0) count_reading(0);
    sample.load_seconds = std::exchange(read_seconds_, 0);
  }

  uint64_t resident_bytes() const override { return plan_.resident_bytes; }

 private:
  struct Buffer {
    FreshMemory memory;
    bool full = false;
  };

  StreamPiece piece_of(const std::vector<uint32_t>& tensors) const {
    return make_piece(model_.container.index, model_.source, model_.sources, tensors);
  }

  static uint64_t arena_bytes(const StreamPiece& piece) {
    uint64_t bytes = 0;
    for (const StreamRange& range : piece.ranges) {
      bytes = std::max(bytes, range.place + align_up(range.bytes, kAlignmentMin));
    }
    return bytes;
  }

  Status keep_resident() {
    std::vector<uint32_t> tensors;
    for (const PassLayer& layer : plan_.layers) {
      tensors.insert(tensors.end(), layer.resident.begin(), layer.resident.end());
    }
    const StreamPiece piece = piece_of(tensors);
    QLOAD_TRY(resident_memory_, FreshMemory::allocate(arena_bytes(piece), true));
    const ReadShape shape;
    QLOAD_TRY(auto engine, make_uring_engine({.queue_depth = shape.depth}, nullptr));
    QLOAD_CHECK(read_ranges(*engine, files_, piece, resident_memory_.bytes(), shape));
    for (size_t i = 0; i < tensors.size(); ++i) {
      resident_[tensors[i]] =
          resident_memory_.bytes().subspan(piece.tensors[i].range_place, piece.tensors[i].bytes);
    }
    return Ok{};
  }

  void work(uint32_t worker) {
    const ReadShape shape;
    // A ring belongs to the thread that made it.
    auto engine = make_uring_engine({.queue_depth = shape.depth}, nullptr);
    Status status = Ok{};
    if (!engine.ok()) status = engine.error();
    for (uint64_t number = worker; status.ok(); number += workers_) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] {
          return stopping_ || error_ || (turn_ == number && !buffers_[worker].full);
        });
        if (stopping_ || error_) return;
        count_reading(+1);
      }
      status = read_ranges(**engine, files_, pieces_[number % pieces_.size()],
                           buffers_[worker].memory.bytes(), shape, [&] { pass_turn(number); });
      const std::lock_guard lock(mutex_);
      count_reading(-1);
      buffers_[worker].full = status.ok();
      changed_.notify_all();
    }
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = status.error();
    changed_.notify_all();
  }

  void pass_turn(uint64_t number) {
    {
      const std::lock_guard lock(mutex_);
      turn_ = number + 1;
    }
    changed_.notify_all();
  }

  // Seconds in which some layer is being read. REQUIRES: mutex_ held.
  void count_reading(int change) {
    const auto now = Clock::now();
    if (reading_ > 0) {
      read_seconds_ += std::chrono::duration<double>(now - reading_since_).count();
    }
    reading_since_ = now;
    reading_ += change;
  }

  const PassModel& model_;
  PassPlan plan_;
  std::vector<DirectSource> files_;
  FreshMemory resident_memory_;
  std::unordered_map<uint32_t, std::span<const std::byte>> resident_;  // By tensor.
  std::vector<StreamPiece> pieces_;                                    // By layer.
  uint32_t workers_ = 1;
  uint64_t next_ = 0;  // Belongs to the thread that calls next().
  std::vector<PassTensor> tensors_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::array<Buffer, kBuffers> buffers_;  // `full`, and all below: guarded by mutex_.
  uint64_t turn_ = 0;
  std::optional<Error> error_;
  bool stopping_ = false;
  int reading_ = 0;
  Clock::time_point reading_since_;
  double read_seconds_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<PassContender> make_read_passes(const PassModel& model) {
  return std::make_unique<ReadPasses>(model);
}

}  // namespace qload::bench
