#include "runtime/load/load_session.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>

#include "format/base/checksum.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload {

namespace {

// Chunks of one staged read go to the threads in jobs of about this many stored bytes: small
// enough that one read of many chunks keeps every thread busy, large enough that a thousand tiny
// tensors do not become a thousand jobs.
constexpr uint32_t kJobBytes = 128u << 10;

// A load of so much goes around the processor's cache, which would hold only the end of it; what is
// checked once decoded stays. Twice the L2 cache of the largest cores there are.
constexpr uint64_t kAroundCacheBytesMin = 8u << 20;

using Clock = std::chrono::steady_clock;

}  // namespace

LoadSession::LoadSession(Setup setup)
    : setup_(std::move(setup)), pieces_left_(setup_.plan.raw_chunks.size()) {
  for (size_t i = 0; i < pieces_left_.size(); ++i) {
    pieces_left_[i].store(setup_.plan.raw_chunks[i].piece_count, std::memory_order_relaxed);
  }
}

void LoadSession::start() {
  prefaulter_.start(setup_.fresh_memory, setup_.huge_pages);
  work_ = setup_.pool->open(this);
}

bool LoadSession::wait_finished(std::chrono::milliseconds limit) {
  return setup_.pool->wait_finished(work_, limit, pool_counters_);
}

bool LoadSession::stopping() const {
  return failed_.load(std::memory_order_relaxed) || cancelled_.load(std::memory_order_relaxed) ||
         setup_.stop.stop_requested();
}

void LoadSession::fail(Error error) {
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = std::move(error);
  failed_.store(true, std::memory_order_relaxed);
}

// Short enough for a string's own storage: making it needs no memory.
void LoadSession::fail_out_of_memory() { fail(Error(ErrorCode::kOutOfMemory, "out of memory")); }

Status LoadSession::take_status() {
  const std::lock_guard lock(mutex_);
  if (error_) return *error_;
  if (decoded_bytes() != setup_.plan.decoded_bytes) {
    return Error(ErrorCode::kCancelled, text("cancelled after ", decoded_bytes(), " of ",
                                             setup_.plan.decoded_bytes, " bytes"));
  }
  return Ok{};
}

// Cuts what has arrived into jobs. Every job of a staged read holds the region until it is done.
void LoadSession::arrived(uint32_t number, uint32_t region) {
  const PlanRead& read = setup_.plan.reads[number];
  if (region != StagingArea::kNoRegion) return push_staged(read, region);
  for (uint32_t i = 0; i < read.piece_count; ++i) {
    const PlanPiece& piece = setup_.plan.pieces[read.first_piece + i];
    if (pieces_left_[piece.raw_chunk].fetch_sub(1, std::memory_order_acq_rel) == 1) {
      setup_.pool->push(work_, {kRawCheck, piece.raw_chunk, 1, region});
    }
  }
}

void LoadSession::push_staged(const PlanRead& read, uint32_t region) {
  // The caller itself is a user of the region until all jobs are pushed.
  const auto push = [&](const DecodeJob& job) {
    setup_.staging->add_user(region);
    setup_.pool->push(work_, job);
  };
  DecodeJob job{kChunks, read.first_chunk, 0, region};
  uint32_t job_bytes = 0;
  for (uint32_t i = 0; i < read.chunk_count; ++i) {
    const PlanChunk& chunk = setup_.plan.chunks[read.first_chunk + i];
    job_bytes += setup_.container->index.chunks()[chunk.chunk].stored_bytes;
    ++job.count;
    if (job_bytes >= kJobBytes || i + 1 == read.chunk_count) {
      push(job);
      job.first += job.count;
      job.count = 0;
      job_bytes = 0;
    }
  }
  if (read.piece_count > 0) push({kPieces, read.first_piece, read.piece_count, region});
  setup_.staging->release(region);
}

// The read that a job belongs to lies in its region; chunks and pieces know their places in it.
void LoadSession::run(const DecodeJob& job, DecodeContext& context) {
  const bool staged = job.region != StagingArea::kNoRegion;
  const std::byte* const data = staged ? setup_.staging->data(job.region) : nullptr;
  try {
    if (stopping()) {
      // The region is all that is left to give back.
    } else if (job.kind == kChunks) {
      run_chunks(job.first, job.count, data, context);
    } else if (job.kind == kPieces) {
      run_pieces(job.first, job.count, data);
    } else {
      check_raw_chunk(job.first);
    }
  } catch (const std::bad_alloc&) {
    fail_out_of_memory();
  }
  if (staged) setup_.staging->release(job.region);
}

bool LoadSession::run_idle() { return !stopping() && prefaulter_.touch_next(); }

// The pages that a destination lies in, when the idle threads have not come so far.
void LoadSession::touch_first(std::span<const std::byte> destination) {
  const auto begin = Clock::now();
  if (prefaulter_.touch_range(destination.data(), destination.size()) == 0) return;
  const auto taken = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin);
  touch_nanoseconds_.fetch_add(static_cast<uint64_t>(taken.count()), std::memory_order_relaxed);
}

DecodeWork::Pulled LoadSession::pull(DecodeContext& context) {
  if (setup_.packed != nullptr) return pull_packed(context);
  return setup_.cached ? pull_cached(context) : Pulled::kDone;
}

// Of a load out of the page cache: the next read, by this thread into memory that its cache still
// holds, and at once decoded from there.
DecodeWork::Pulled LoadSession::pull_cached(DecodeContext& context) {
  uint32_t number = 0;
  uint32_t region = StagingArea::kNoRegion;
  const Pulled pulled = take_cached(number, region);
  if (pulled != Pulled::kMore) return pulled;
  const PlanRead& read = setup_.plan.reads[number];
  const bool staged = region != StagingArea::kNoRegion;
  std::byte* const data = staged ? setup_.staging->data(region) : read.in_place;
  try {
    if (!staged) touch_first({data, read.bytes});
    const auto begin = Clock::now();
    Status status = read_cached(read, data);
    const auto taken = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin);
    cached_nanoseconds_.fetch_add(static_cast<uint64_t>(taken.count()), std::memory_order_relaxed);
    if (status.ok()) {
      decode_cached(read, staged ? data : nullptr, context);
    } else {
      fail(std::move(status).error());
    }
  } catch (const std::bad_alloc&) {
    fail_out_of_memory();
  }
  if (staged) setup_.staging->release(region);
  return Pulled::kMore;
}

DecodeWork::Pulled LoadSession::take_cached(uint32_t& number, uint32_t& region) {
  if (stopping()) {
    setup_.staging->give_up(this);
    return Pulled::kDone;
  }
  const std::lock_guard lock(mutex_);
  if (next_cached_ == setup_.plan.reads.size()) return Pulled::kDone;
  const PlanRead& read = setup_.plan.reads[next_cached_];
  if (read.in_place == nullptr) {
    const auto acquired = setup_.staging->acquire(read.bytes, this);
    if (!acquired) return Pulled::kBusy;
    region = *acquired;
  }
  number = next_cached_++;
  return Pulled::kMore;
}

Status LoadSession::read_cached(const PlanRead& read, std::byte* data) {
  const File& file = setup_.container->file;
  QLOAD_CHECK(file.read_at(read.offset - file.base_offset(), std::span(data, read.bytes_required)));
  cached_bytes_.fetch_add(read.bytes_required, std::memory_order_relaxed);
  cached_reads_.fetch_add(1, std::memory_order_relaxed);
  if (read.in_place != nullptr) {
    cached_in_place_.fetch_add(read.bytes_required, std::memory_order_relaxed);
  }
  return Ok{};
}

// `data` null: the read landed in place.
void LoadSession::decode_cached(const PlanRead& read, const std::byte* data,
                                DecodeContext& context) {
  run_chunks(read.first_chunk, read.chunk_count, data, context);
  if (data != nullptr) return run_pieces(read.first_piece, read.piece_count, data);
  for (uint32_t i = 0; i < read.piece_count && !stopping(); ++i) {
    const uint32_t raw_chunk = setup_.plan.pieces[read.first_piece + i].raw_chunk;
    if (pieces_left_[raw_chunk].fetch_sub(1, std::memory_order_acq_rel) == 1) {
      check_raw_chunk(raw_chunk);
    }
  }
}

// Of weights kept packed: the next chunks, decoded from where they lie.
DecodeWork::Pulled LoadSession::pull_packed(DecodeContext& context) {
  uint32_t first = 0;
  const uint32_t count = take_packed(first);
  if (count == 0) return Pulled::kDone;
  try {
    run_chunks(first, count, nullptr, context);
  } catch (const std::bad_alloc&) {
    fail_out_of_memory();
  }
  return Pulled::kMore;
}

/// Takes as many chunks as make a job; 0: none is left, or the load is stopping.
uint32_t LoadSession::take_packed(uint32_t& first) {
  if (stopping()) return 0;
  const std::vector<PlanChunk>& chunks = setup_.plan.chunks;
  const std::lock_guard lock(mutex_);
  first = next_cached_;
  for (uint32_t bytes = 0; next_cached_ < chunks.size() && bytes < kJobBytes; ++next_cached_) {
    bytes += setup_.container->index.chunks()[chunks[next_cached_].chunk].stored_bytes;
  }
  return next_cached_ - first;
}

void LoadSession::run_chunks(uint32_t first, uint32_t count, const std::byte* data,
                             DecodeContext& context) {
  for (uint32_t i = 0; i < count && !stopping(); ++i) {
    const PlanChunk& planned = setup_.plan.chunks[first + i];
    Status status = decode_one(planned, stored_of(planned, data), context);
    if (!status.ok()) return fail(std::move(status).error());
  }
}

/// In the read's data, or in the store.
std::span<const std::byte> LoadSession::stored_of(const PlanChunk& planned,
                                                  const std::byte* data) const {
  const Index& index = setup_.container->index;
  const ChunkRecord& chunk = index.chunks()[planned.chunk];
  if (setup_.packed != nullptr) return setup_.packed->stored(index, planned.tensor, chunk);
  return {data + planned.read_offset, chunk.stored_bytes};
}

Status LoadSession::decode_one(const PlanChunk& planned, std::span<const std::byte> stored,
                               DecodeContext& context) {
  const Index& index = setup_.container->index;
  const ChunkRecord& chunk = index.chunks()[planned.chunk];
  const std::span decoded(planned.destination, chunk.decoded_bytes);
  QLOAD_CHECK(check_stored(chunk, stored, planned.tensor));
  context.write_around_cache(setup_.plan.decoded_bytes >= kAroundCacheBytesMin &&
                             setup_.verify != Verify::kDecoded);
  touch_first(decoded);
  const Status status = decode_chunk(context, index.form(chunk), stored, decoded);
  if (!status.ok()) return status.error().at(describe(chunk, planned.tensor));
  QLOAD_CHECK(check_decoded(chunk, decoded, planned.tensor));
  decoded_bytes_.fetch_add(chunk.decoded_bytes, std::memory_order_relaxed);
  chunk_count_.fetch_add(1, std::memory_order_relaxed);
  return Ok{};
}

void LoadSession::run_pieces(uint32_t first, uint32_t count, const std::byte* data) {
  for (uint32_t i = 0; i < count && !stopping(); ++i) {
    const PlanPiece& piece = setup_.plan.pieces[first + i];
    std::memcpy(piece.destination, data + piece.read_offset, piece.bytes);
    if (pieces_left_[piece.raw_chunk].fetch_sub(1, std::memory_order_acq_rel) == 1) {
      check_raw_chunk(piece.raw_chunk);
    }
  }
}

// A raw chunk is its own decoded form: one checksum serves both purposes. Of a chunk that is kept
// packed it is the stored form that arrived.
void LoadSession::check_raw_chunk(uint32_t number) {
  const PlanRawChunk& planned = setup_.plan.raw_chunks[number];
  const ChunkRecord& chunk = setup_.container->index.chunks()[planned.chunk];
  Status status =
      check_stored(chunk, std::span(planned.destination, planned.stored_bytes), planned.tensor);
  if (!status.ok()) return fail(std::move(status).error());
  decoded_bytes_.fetch_add(planned.stored_bytes, std::memory_order_relaxed);
  chunk_count_.fetch_add(1, std::memory_order_relaxed);
}

Status LoadSession::check_stored(const ChunkRecord& chunk, std::span<const std::byte> stored,
                                 uint32_t tensor) const {
  const bool checked_before = setup_.packed != nullptr && setup_.packed->checked;
  if (setup_.verify == Verify::kIndexOnly || checked_before) return Ok{};
  const uint64_t found = checksum64(stored);
  if (found == chunk.stored_checksum) return Ok{};
  return Error(ErrorCode::kCorrupt,
               text(describe(chunk, tensor), ": checksum of the stored bytes is ", found,
                    ", expected ", chunk.stored_checksum));
}

Status LoadSession::check_decoded(const ChunkRecord& chunk, std::span<const std::byte> decoded,
                                  uint32_t tensor) const {
  if (setup_.verify != Verify::kDecoded) return Ok{};
  const uint64_t found = checksum64(decoded);
  if (found == chunk.decoded_checksum) return Ok{};
  return Error(ErrorCode::kCorrupt,
               text(describe(chunk, tensor), ": checksum of the decoded bytes is ", found,
                    ", expected ", chunk.decoded_checksum));
}

void LoadSession::add_statistics(LoadStatistics& statistics) const {
  statistics.bytes_decoded = decoded_bytes();
  statistics.bytes_stored = setup_.plan.stored_bytes;
  statistics.chunk_count = chunk_count_.load(std::memory_order_relaxed);
  statistics.decode_busy_seconds = pool_counters_.busy_seconds;
  statistics.decode_wait_seconds = pool_counters_.wait_seconds;
  const auto seconds = [](const std::atomic<uint64_t>& nanoseconds) {
    return static_cast<double>(nanoseconds.load(std::memory_order_relaxed)) * 1e-9;
  };
  // First touch within a job is no decoding.
  const double touch_seconds = seconds(touch_nanoseconds_);
  statistics.prefault_busy_seconds = pool_counters_.idle_work_seconds + touch_seconds;
  statistics.decode_busy_seconds -= touch_seconds;
  statistics.huge_pages = prefaulter_.huge_pages();
  if (!setup_.cached) return;
  statistics.bytes_read = cached_bytes_.load(std::memory_order_relaxed);
  statistics.bytes_read_in_place = cached_in_place_.load(std::memory_order_relaxed);
  statistics.read_count = cached_reads_.load(std::memory_order_relaxed);
  statistics.cache_read_seconds = seconds(cached_nanoseconds_);
  statistics.decode_busy_seconds -= statistics.cache_read_seconds;
}

}  // namespace qload
