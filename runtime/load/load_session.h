// LoadSession: one load under way. What the I/O thread, the decode threads and the caller share.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include "format/container/container_reader.h"
#include "qload/options.h"
#include "qload/result.h"
#include "runtime/decode/decode_pool.h"
#include "runtime/io/direct_io.h"
#include "runtime/io/read_engine.h"
#include "runtime/memory/prefaulter.h"
#include "runtime/memory/staging_ring.h"
#include "runtime/plan/read_plan.h"

namespace qload {

/// What run_reads needs of the Loader. All borrowed.
struct LoadMachinery {
  ReadEngine* engine = nullptr;
  StagingRing* staging = nullptr;
  DecodePool* pool = nullptr;
};

/// One load: its plan, its progress, its first error. The I/O thread runs run_reads(); decode
/// threads call run() and run_idle(); the caller waits elsewhere and reads progress.
class LoadSession : public DecodeWork {
 public:
  struct Setup {
    const Container* container = nullptr;
    ReadPlan plan;
    Verify verify = Verify::kChunks;
    std::span<std::byte> fresh_memory = {};  ///< To prefault; may be empty.
    HugePages huge_pages = HugePages::kAuto;
    std::stop_token stop = {};
    const DirectFile* direct_file = nullptr;  ///< Null: buffered reads.
    bool direct_required = false;
  };
  explicit LoadSession(Setup setup);

  /// Reads and decodes everything. Returns when nothing is in flight and no job is left, on
  /// failure too. I/O thread only.
  void run_reads(const LoadMachinery& machinery);

  void run(const DecodeJob& job, DecodeContext& context) override;
  bool run_idle() override;

  /// Stops the load: it ends as kCancelled. Any thread.
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }

  uint64_t decoded_bytes() const { return decoded_bytes_.load(std::memory_order_relaxed); }
  /// The first error, or success. Call after run_reads() returned.
  Status take_status();
  /// Adds what this session counted.
  void add_statistics(LoadStatistics& statistics) const;

 private:
  struct InFlight {
    uint32_t read = 0;
    uint32_t slot = kNoSlot;  ///< kNoSlot: read in place.
    bool direct = false;
  };
  static constexpr uint32_t kNoSlot = 0xFFFF'FFFF;
  enum JobKind : uint32_t { kChunks, kPieces, kRawCheck };

  bool stopping() const;
  bool prepare(const LoadMachinery& machinery);
  void read_everything(const LoadMachinery& machinery);
  void fail(Error error);
  bool submit_next(const LoadMachinery& machinery);
  void submit(const LoadMachinery& machinery, uint32_t read, uint32_t slot);
  void handle(const LoadMachinery& machinery, const Completion& completion);
  void fail_read(const PlanRead& planned, const Completion& completion);
  bool retry(const LoadMachinery& machinery, const InFlight& flight, int error_number);
  void dispatch(const LoadMachinery& machinery, const InFlight& flight);

  void run_chunks(const DecodeJob& job, DecodeContext& context);
  void run_pieces(const DecodeJob& job);
  void check_raw_chunk(uint32_t raw_chunk);
  Status decode_one(const PlanChunk& planned, const std::byte* stored, DecodeContext& context);
  Status check_stored(const ChunkRecord& chunk, std::span<const std::byte> stored,
                      uint32_t tensor) const;
  Status check_decoded(const ChunkRecord& chunk, std::span<const std::byte> decoded,
                       uint32_t tensor) const;
  std::string describe(const ChunkRecord& chunk, uint32_t tensor) const;

  const Setup setup_;
  StagingRing* staging_ = nullptr;
  Prefaulter prefaulter_;

  // I/O thread only.
  std::vector<InFlight> flights_;  // By tag.
  std::vector<uint32_t> free_tags_;
  std::vector<Completion> completions_;
  std::vector<uint32_t> again_in_slot_;  // In-place reads that the kernel refused (EFAULT).
  uint32_t next_read_ = 0;
  bool direct_ = false;
  bool direct_refused_ = false;
  double read_wait_seconds_ = 0;
  double slot_wait_seconds_ = 0;
  uint64_t bytes_read_ = 0;
  uint64_t bytes_in_place_ = 0;
  uint64_t read_count_ = 0;
  DecodePoolCounters pool_counters_;

  std::vector<std::atomic<uint32_t>> pieces_left_;  // By raw chunk.
  std::atomic<uint64_t> decoded_bytes_ = 0;
  std::atomic<uint64_t> chunk_count_ = 0;
  std::atomic<bool> failed_ = false;
  std::atomic<bool> cancelled_ = false;
  std::mutex mutex_;
  std::optional<Error> error_;  // Guarded by mutex_.
};

}  // namespace qload
