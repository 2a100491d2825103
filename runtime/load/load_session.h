// LoadSession: one load under way. Its chunks on their way from staging memory to destinations.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "format/container/container_reader.h"
#include "qload/options.h"
#include "qload/result.h"
#include "runtime/decode/decode_pool.h"
#include "runtime/load/chunk_place.h"
#include "runtime/load/packed_store.h"
#include "runtime/memory/prefaulter.h"
#include "runtime/memory/staging_area.h"
#include "runtime/plan/read_plan.h"

namespace qload {

/// One load: its plan, its progress, its first error. What has been read comes in by arrived(),
/// from the I/O thread; a load of a file that lies in the page cache has no I/O thread, for decode
/// threads read what they decode themselves, and neither has one of weights kept packed in memory.
/// Decode threads call run(), pull() and run_idle(); the
/// caller waits for the end and reads progress.
class LoadSession : public DecodeWork {
 public:
  struct Setup {
    const Container* container = nullptr;
    ReadPlan plan;
    Verify verify = Verify::kChunks;
    bool cached = false;  ///< Decode threads read, out of the page cache.
    /// Not null: the plan is make_decode_plan's, and its chunks are decoded from here.
    const internal::PackedStore* packed = nullptr;
    std::span<std::byte> fresh_memory = {};  ///< To prefault; may be empty.
    HugePages huge_pages = HugePages::kAuto;
    std::stop_token stop = {};
    StagingArea* staging = nullptr;
    DecodePool* pool = nullptr;
  };
  explicit LoadSession(Setup setup);

  /// Opens the session to the decode threads. Then close() and wait_finished() are due.
  void start();
  /// Nothing will arrive any more. The caller does not touch the session after this.
  void close() { setup_.pool->close(work_); }
  /// Waits, at most `limit`, until every job is done. True: the session may be destroyed.
  bool wait_finished(std::chrono::milliseconds limit);

  /// Gives back the turn to get staging memory that a decode thread may have taken while the load
  /// was stopping. When finished.
  void give_up_turn() { setup_.staging->give_up(this); }

  /// Read number `read` of the plan is there, in staging region `region` or in place; takes over
  /// the region. I/O thread.
  void arrived(uint32_t read, uint32_t region);

  void run(const DecodeJob& job, DecodeContext& context) override;
  Pulled pull(DecodeContext& context) override;
  bool run_idle() override;

  /// Stops the load: it ends as kCancelled. Any thread.
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  /// The load has failed or is cancelled. Any thread.
  bool stopping() const;
  /// The first error wins. Any thread.
  void fail(Error error);
  void fail_out_of_memory();

  const ReadPlan& plan() const { return setup_.plan; }
  const Container& container() const { return *setup_.container; }
  uint64_t decoded_bytes() const { return decoded_bytes_.load(std::memory_order_relaxed); }

  /// The first error, or success. When finished, like add_statistics().
  Status take_status();
  void add_statistics(LoadStatistics& statistics) const;

 private:
  enum JobKind : uint32_t { kChunks, kPieces, kRawCheck };

  void push_staged(const PlanRead& read, uint32_t region);
  Pulled pull_cached(DecodeContext& context);
  Pulled take_cached(uint32_t& read, uint32_t& region);
  Status read_cached(const PlanRead& read, std::byte* data);
  void touch_first(std::span<const std::byte> destination);
  void decode_cached(const PlanRead& read, const std::byte* data, DecodeContext& context);
  Pulled pull_packed(DecodeContext& context);
  uint32_t take_packed(uint32_t& first);

  void run_chunks(uint32_t first, uint32_t count, const std::byte* data, DecodeContext& context);
  void run_pieces(uint32_t first, uint32_t count, const std::byte* data);
  void check_raw_chunk(uint32_t raw_chunk);
  std::span<const std::byte> stored_of(const PlanChunk& planned, const std::byte* data) const;
  Status decode_one(const PlanChunk& planned, std::span<const std::byte> stored,
                    DecodeContext& context);
  Status check_stored(const ChunkRecord& chunk, std::span<const std::byte> stored,
                      uint32_t tensor) const;
  Status check_decoded(const ChunkRecord& chunk, std::span<const std::byte> decoded,
                       uint32_t tensor) const;
  std::string describe(const ChunkRecord& chunk, uint32_t tensor) const {
    return describe_place(*setup_.container, chunk, tensor);
  }

  const Setup setup_;
  DecodePool::WorkId work_ = 0;
  DecodePoolCounters pool_counters_;
  Prefaulter prefaulter_;

  std::vector<std::atomic<uint32_t>> pieces_left_;  // By raw chunk.
  std::atomic<uint64_t> decoded_bytes_ = 0;
  std::atomic<uint64_t> chunk_count_ = 0;
  std::atomic<uint64_t> cached_bytes_ = 0;
  std::atomic<uint64_t> cached_in_place_ = 0;
  std::atomic<uint64_t> cached_reads_ = 0;
  std::atomic<uint64_t> cached_nanoseconds_ = 0;
  std::atomic<uint64_t> touch_nanoseconds_ = 0;
  std::atomic<bool> failed_ = false;
  std::atomic<bool> cancelled_ = false;
  std::mutex mutex_;
  uint32_t next_cached_ = 0;  // Read, or chunk kept packed. Guarded by mutex_, like error_.
  std::optional<Error> error_;
};

}  // namespace qload
