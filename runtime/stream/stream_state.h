// What a LayerStream owns: its plan, its memory, and the threads that load ahead of the caller.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <thread>
#include <vector>

#include "qload/loader.h"
#include "qload/stream.h"
#include "runtime/load/loader_state.h"
#include "runtime/load/packed_state.h"
#include "runtime/load/weights_state.h"
#include "runtime/memory/portion_area.h"
#include "runtime/plan/layer_plan.h"

namespace qload::internal {

/// The parts of all passes are numbered through: part n of pass p is p * parts + n.
///
/// Two threads load parts in that order, each as soon as the area has room for it. Two, because the
/// reads of one part are to be under way when those of the one before end; the I/O thread serves
/// them in order. Shared by the stream and the Layers it gave out; the threads end with the stream.
struct StreamState {
  StreamState() = default;
  ~StreamState();
  StreamState(const StreamState&) = delete;
  StreamState& operator=(const StreamState&) = delete;

  /// The offset of a part without memory of its own.
  static constexpr uint64_t kNoMemory = ~uint64_t{0};

  // Fixed before the threads start.
  LoaderState* loader = nullptr;      ///< Valid until stop().
  const ModelState* model = nullptr;  ///< Outlives the Layers.
  LoadOptions load;
  StreamFacts facts;
  LayerPlan plan;
  std::vector<Tier> tiers;       ///< By tensor.
  uint64_t total = 0;            ///< Parts of all passes; ~0 without end.
  uint32_t range_count_max = 0;  ///< Of a part.
  std::optional<Weights> resident;
  std::unique_ptr<PackedState> packed;  ///< Tensors of Tier::kPacked; null: none.
  LentBlock area_memory;                ///< Of all portions.
  std::stop_source stop_source;

  /// Starts the threads. kOutOfMemory when the system refuses one.
  Status start(std::stop_token caller_stop);
  /// Cancels what is under way and joins. Once; the Loader may go afterwards.
  void stop();

  bool done() const;
  /// Waits for the next part; see LayerStream::next. `number` and `offset` are the caller's to give
  /// back with release().
  Status take_next(uint64_t& number, uint64_t& offset);
  void release(uint64_t offset);
  PassStatistics last_pass() const;

  const LayerPart& part_of(uint64_t number) const { return plan.parts[number % plan.parts.size()]; }

 private:
  static constexpr size_t kLoadThreads = 2;
  /// Of parts that need no memory the threads would run ahead without end.
  static constexpr size_t kAheadMax = 16;
  using Clock = std::chrono::steady_clock;

  /// A part that is being loaded, or waits for the caller.
  struct Ahead {
    uint64_t number = 0;
    uint64_t offset = kNoMemory;
    bool ready = false;
  };

  void thread_main();
  bool may_load() const;
  std::optional<uint64_t> find_room(uint64_t number) const;
  void load_next(std::unique_lock<std::mutex>& lock);
  Status load_part(uint64_t number, uint64_t offset, std::span<std::byte> fresh,
                   LoadStatistics& statistics);
  std::span<std::byte> take_fresh(uint64_t offset, uint64_t bytes);
  Error no_room(uint64_t number) const;
  PassStatistics& pass_of(uint64_t number);
  void count_loading(int change, uint64_t number);
  void begin_pass(uint64_t number);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  PortionArea area_;             // Guarded by mutex_, like all below.
  uint64_t touched_bottom_ = 0;  // [0, touched_bottom_) and
  uint64_t touched_top_ = 0;     // [touched_top_, end) have pages.
  std::deque<Ahead> ahead_;      // In order of number.
  uint64_t placed_parts_ = 0;    // That got memory: they come from both ends by turns.
  uint64_t next_load_ = 0;
  uint64_t next_take_ = 0;
  bool caller_waits_ = false;  // For the next part, with none ahead.
  uint32_t held_parts_ = 0;    // Regions in the caller's hands.
  bool stopping_ = false;
  std::optional<Error> error_;
  uint32_t loading_ = 0;  // Parts under way.
  Clock::time_point loading_since_;
  std::deque<PassStatistics> passes_;  // Those that were begun and not all given out, in order.
  PassStatistics last_pass_;
  Clock::time_point pass_begin_;
  uint64_t begun_ = ~uint64_t{0};  // The part that began the pass.

  std::optional<std::stop_callback<std::function<void()>>> caller_stop_;
  std::array<std::thread, kLoadThreads> threads_;
};

/// A part in the caller's hands; of no part until take_next() filled it in.
struct LayerState {
  explicit LayerState(std::shared_ptr<StreamState> of_stream) : stream(std::move(of_stream)) {}
  ~LayerState() { stream->release(offset); }
  LayerState(const LayerState&) = delete;
  LayerState& operator=(const LayerState&) = delete;

  const std::shared_ptr<StreamState> stream;
  uint64_t number = 0;
  uint64_t offset = StreamState::kNoMemory;
  std::vector<LayerTensor> tensors;
};

}  // namespace qload::internal
