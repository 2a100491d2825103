#include "runtime/load/load_session.h"

#include <algorithm>
#include <cerrno>
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

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Short enough for a string's own storage: making it needs no memory.
Error out_of_memory() { return Error(ErrorCode::kOutOfMemory, "out of memory"); }

}  // namespace

LoadSession::LoadSession(Setup setup)
    : setup_(std::move(setup)), pieces_left_(setup_.plan.raw_chunks.size()) {
  for (size_t i = 0; i < pieces_left_.size(); ++i) {
    pieces_left_[i].store(setup_.plan.raw_chunks[i].piece_count, std::memory_order_relaxed);
  }
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

Status LoadSession::take_status() {
  const std::lock_guard lock(mutex_);
  if (error_) return *error_;
  if (decoded_bytes() != setup_.plan.decoded_bytes) {
    return Error(ErrorCode::kCancelled, text("cancelled after ", decoded_bytes(), " of ",
                                             setup_.plan.decoded_bytes, " bytes"));
  }
  return Ok{};
}

// Everything that the loop needs is allocated here, before the first read: memory that runs out
// later could not be waited for.
bool LoadSession::prepare(const LoadMachinery& machinery) {
  try {
    const uint32_t depth = machinery.engine->depth();
    flights_.resize(depth);
    completions_.resize(depth);
    again_in_slot_.reserve(depth);
    free_tags_.reserve(depth);
    for (uint32_t tag = depth; tag-- > 0;) free_tags_.push_back(tag);
  } catch (const std::bad_alloc&) {
    fail(out_of_memory());
    return false;
  }
  direct_ = setup_.direct_file != nullptr;
  ReadFiles files;
  files.buffered = setup_.container->file.descriptor();
  if (direct_) {
    files.direct = setup_.direct_file->descriptor();
    files.direct_alignment = setup_.direct_file->alignment();
  }
  Status attached = machinery.engine->attach(files);
  if (!attached.ok()) fail(std::move(attached).error());
  return attached.ok();
}

void LoadSession::run_reads(const LoadMachinery& machinery) {
  staging_ = machinery.staging;
  if (!prepare(machinery)) return;
  prefaulter_.start(setup_.fresh_memory, setup_.huge_pages);
  machinery.pool->begin(this);
  read_everything(machinery);
  pool_counters_ = machinery.pool->finish();
}

// The loop of the I/O thread: keep the engine full, wait for whatever finishes, hand it on. When
// nothing is in flight and reads are left, only decoding can free a slot, so wait for that.
void LoadSession::read_everything(const LoadMachinery& machinery) {
  while (true) {
    while (!stopping() && submit_next(machinery)) {
    }
    if (machinery.engine->in_flight() == 0) {
      const bool reads_left = next_read_ < setup_.plan.reads.size() || !again_in_slot_.empty();
      if (!reads_left || stopping()) return;
      const auto begin = Clock::now();
      machinery.staging->wait_for_free();
      slot_wait_seconds_ += seconds_since(begin);
      continue;
    }
    const auto begin = Clock::now();
    const size_t count = machinery.engine->wait(completions_);
    read_wait_seconds_ += seconds_since(begin);
    for (size_t i = 0; i < count; ++i) handle(machinery, completions_[i]);
  }
}

// Starts one more read. False when there is none, no tag, or no slot for it.
bool LoadSession::submit_next(const LoadMachinery& machinery) {
  if (free_tags_.empty()) return false;
  if (!again_in_slot_.empty()) {
    const auto slot = machinery.staging->acquire();
    if (!slot) return false;
    submit(machinery, again_in_slot_.back(), *slot);
    again_in_slot_.pop_back();
    return true;
  }
  if (next_read_ >= setup_.plan.reads.size()) return false;
  uint32_t slot = kNoSlot;
  if (setup_.plan.reads[next_read_].in_place == nullptr) {
    const auto acquired = machinery.staging->acquire();
    if (!acquired) return false;
    slot = *acquired;
  }
  submit(machinery, next_read_++, slot);
  return true;
}

void LoadSession::submit(const LoadMachinery& machinery, uint32_t number, uint32_t slot) {
  const PlanRead& planned = setup_.plan.reads[number];
  const uint32_t tag = free_tags_.back();
  free_tags_.pop_back();
  flights_[tag] = {number, slot, direct_};
  Read read;
  read.offset = planned.offset;
  read.data = slot == kNoSlot ? planned.in_place : machinery.staging->slot(slot);
  read.bytes = planned.bytes;
  read.bytes_required = planned.bytes_required;
  read.tag = tag;
  read.direct = direct_;
  machinery.engine->submit(read);
}

void LoadSession::handle(const LoadMachinery& machinery, const Completion& completion) {
  const InFlight flight = flights_[completion.tag];
  free_tags_.push_back(completion.tag);
  if (completion.error_number != 0) {
    if (retry(machinery, flight, completion.error_number)) return;
    fail_read(setup_.plan.reads[flight.read], completion);
    if (flight.slot != kNoSlot) machinery.staging->release(flight.slot);
    return;
  }
  ++read_count_;
  bytes_read_ += completion.bytes;
  if (flight.slot == kNoSlot) bytes_in_place_ += completion.bytes;
  if (stopping()) {
    if (flight.slot != kNoSlot) machinery.staging->release(flight.slot);
    return;
  }
  dispatch(machinery, flight);
}

void LoadSession::fail_read(const PlanRead& planned, const Completion& completion) {
  try {
    std::string what = text(quote(setup_.container->file.name()), ": cannot read ", planned.bytes,
                            " bytes at offset ", planned.offset);
    fail(completion.error_number == ENODATA
             ? Error(ErrorCode::kCorrupt, text(what, ": the file ends after ", completion.bytes,
                                               " of them; it was truncated after it was opened"))
             : error_from_errno(std::move(what), completion.error_number));
  } catch (const std::bad_alloc&) {
    fail(out_of_memory());
  }
}

// Two refusals are no failures. O_DIRECT may pass open and be refused at the read (EINVAL): go on
// through the page cache. The kernel may not be able to read into foreign memory (EFAULT, memory
// mapped from a device): read that part into a slot and copy.
bool LoadSession::retry(const LoadMachinery& machinery, const InFlight& flight, int error_number) {
  if (stopping()) return false;
  const bool refused = error_number == EINVAL || error_number == EOPNOTSUPP;
  if (refused && flight.direct && !setup_.direct_required) {
    direct_ = false;
    direct_refused_ = true;
    submit(machinery, flight.read, flight.slot);
    return true;
  }
  if (error_number == EFAULT && flight.slot == kNoSlot) {
    again_in_slot_.push_back(flight.read);
    return true;
  }
  return false;
}

// Cuts what has arrived into jobs. Every job of a staged read holds the slot until it is done.
void LoadSession::dispatch(const LoadMachinery& machinery, const InFlight& flight) {
  const PlanRead& planned = setup_.plan.reads[flight.read];
  if (flight.slot == kNoSlot) {
    for (uint32_t i = 0; i < planned.piece_count; ++i) {
      const PlanPiece& piece = setup_.plan.pieces[planned.first_piece + i];
      if (pieces_left_[piece.raw_chunk].fetch_sub(1, std::memory_order_acq_rel) == 1) {
        machinery.pool->push({kRawCheck, piece.raw_chunk, 1, kNoSlot});
      }
    }
    return;
  }
  // The I/O thread itself is a user of the slot until all jobs are pushed.
  const auto push = [&](const DecodeJob& job) {
    machinery.staging->add_user(flight.slot);
    machinery.pool->push(job);
  };
  DecodeJob job{kChunks, planned.first_chunk, 0, flight.slot};
  uint32_t job_bytes = 0;
  for (uint32_t i = 0; i < planned.chunk_count; ++i) {
    const PlanChunk& chunk = setup_.plan.chunks[planned.first_chunk + i];
    job_bytes += setup_.container->index.chunks()[chunk.chunk].stored_bytes;
    ++job.count;
    if (job_bytes >= kJobBytes || i + 1 == planned.chunk_count) {
      push(job);
      job.first += job.count;
      job.count = 0;
      job_bytes = 0;
    }
  }
  if (planned.piece_count > 0) {
    push({kPieces, planned.first_piece, planned.piece_count, flight.slot});
  }
  machinery.staging->release(flight.slot);
}

void LoadSession::run(const DecodeJob& job, DecodeContext& context) {
  try {
    if (stopping()) {
      // The slot is all that is left to give back.
    } else if (job.kind == kChunks) {
      run_chunks(job, context);
    } else if (job.kind == kPieces) {
      run_pieces(job);
    } else {
      check_raw_chunk(job.first);
    }
  } catch (const std::bad_alloc&) {
    fail(out_of_memory());
  }
  if (job.slot != kNoSlot) staging_->release(job.slot);
}

bool LoadSession::run_idle() { return !stopping() && prefaulter_.touch_next(); }

void LoadSession::run_chunks(const DecodeJob& job, DecodeContext& context) {
  for (uint32_t i = 0; i < job.count && !stopping(); ++i) {
    const PlanChunk& planned = setup_.plan.chunks[job.first + i];
    Status status = decode_one(planned, staging_->slot(job.slot) + planned.read_offset, context);
    if (!status.ok()) return fail(std::move(status).error());
  }
}

Status LoadSession::decode_one(const PlanChunk& planned, const std::byte* stored_data,
                               DecodeContext& context) {
  const Index& index = setup_.container->index;
  const ChunkRecord& chunk = index.chunks()[planned.chunk];
  const std::span stored(stored_data, chunk.stored_bytes);
  const std::span decoded(planned.destination, chunk.decoded_bytes);
  QLOAD_CHECK(check_stored(chunk, stored, planned.tensor));
  const Status status = decode_chunk(context, index.form(chunk), stored, decoded);
  if (!status.ok()) return status.error().at(describe(chunk, planned.tensor));
  QLOAD_CHECK(check_decoded(chunk, decoded, planned.tensor));
  decoded_bytes_.fetch_add(chunk.decoded_bytes, std::memory_order_relaxed);
  chunk_count_.fetch_add(1, std::memory_order_relaxed);
  return Ok{};
}

void LoadSession::run_pieces(const DecodeJob& job) {
  for (uint32_t i = 0; i < job.count && !stopping(); ++i) {
    const PlanPiece& piece = setup_.plan.pieces[job.first + i];
    std::memcpy(piece.destination, staging_->slot(job.slot) + piece.read_offset, piece.bytes);
    if (pieces_left_[piece.raw_chunk].fetch_sub(1, std::memory_order_acq_rel) == 1) {
      check_raw_chunk(piece.raw_chunk);
    }
  }
}

// A raw chunk is its own decoded form: one checksum serves both purposes.
void LoadSession::check_raw_chunk(uint32_t number) {
  const PlanRawChunk& planned = setup_.plan.raw_chunks[number];
  const ChunkRecord& chunk = setup_.container->index.chunks()[planned.chunk];
  Status status =
      check_stored(chunk, std::span(planned.destination, chunk.decoded_bytes), planned.tensor);
  if (!status.ok()) return fail(std::move(status).error());
  decoded_bytes_.fetch_add(chunk.decoded_bytes, std::memory_order_relaxed);
  chunk_count_.fetch_add(1, std::memory_order_relaxed);
}

Status LoadSession::check_stored(const ChunkRecord& chunk, std::span<const std::byte> stored,
                                 uint32_t tensor) const {
  if (setup_.verify == Verify::kIndexOnly) return Ok{};
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

std::string LoadSession::describe(const ChunkRecord& chunk, uint32_t tensor) const {
  const Index& index = setup_.container->index;
  return text(quote(setup_.container->file.name()), ": tensor ",
              quote(index.name(index.tensors()[tensor])), ", decoded offset ", chunk.decoded_offset,
              ", container offset ", chunk.offset);
}

void LoadSession::add_statistics(LoadStatistics& statistics) const {
  statistics.bytes_decoded = decoded_bytes();
  statistics.bytes_stored = setup_.plan.stored_bytes;
  statistics.bytes_read = bytes_read_;
  statistics.bytes_read_in_place = bytes_in_place_;
  statistics.read_count = read_count_;
  statistics.chunk_count = chunk_count_.load(std::memory_order_relaxed);
  statistics.read_wait_seconds = read_wait_seconds_;
  statistics.slot_wait_seconds = slot_wait_seconds_;
  statistics.decode_busy_seconds = pool_counters_.busy_seconds;
  statistics.decode_wait_seconds = pool_counters_.wait_seconds;
  statistics.prefault_busy_seconds = pool_counters_.idle_work_seconds;
  statistics.direct = direct_;
  statistics.direct_refused |= direct_refused_;
  statistics.huge_pages = prefaulter_.huge_pages();
}

}  // namespace qload
