#include "bench/load/storage_reader.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "bench/load/parallel.h"
#include "format/base/checked.h"
#include "format/base/file.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

double rate_of(uint64_t bytes, double seconds) {
  return static_cast<double>(bytes) / std::max(seconds, 1e-9);
}

}  // namespace

Result<std::unique_ptr<StorageReader>> StorageReader::open(const std::filesystem::path& path,
                                                           uint32_t threads) {
  std::unique_ptr<StorageReader> reader(new StorageReader());
  QLOAD_TRY(reader->file_, PlainFile::open(path));
  QLOAD_TRY(reader->ring_, FreshMemory::allocate(kSweepRingBytesMax, true));
  populate_parallel(reader->ring_.bytes(), threads);
  QLOAD_CHECK(reader->open_engine());
  return reader;
}

Status StorageReader::open_engine() {
  if (auto direct = DirectFile::open(file_.descriptor())) {
    direct_ = std::move(*direct);
    is_direct_ = true;
  }
  constexpr uint32_t kDepthMax = kSweepDepths.back();
  if (auto uring = make_uring_engine({.queue_depth = kDepthMax}, nullptr)) {
    engine_ = std::move(*uring);
  } else {
    QLOAD_TRY(engine_, make_pread_engine({.queue_depth = kDepthMax}, kDepthMax));
  }
  method_ = io_backend_name(engine_->backend());
  method_ += is_direct_ ? ", direct" : ", buffered";
  return engine_->attach({.buffered = file_.descriptor(),
                          .direct = is_direct_ ? direct_.descriptor() : -1,
                          .direct_alignment = is_direct_ ? direct_.alignment() : 4096});
}

// A device's own cache may hold what was read last, so that a short measurement goes on elsewhere.
Result<double> StorageReader::rate(ReadShape shape, double seconds_max) {
  const uint64_t first = align_down(next_read_, shape.read_bytes);
  const double start = now_seconds();
  QLOAD_TRY(const uint64_t read, read_directly(*engine_, {.first = first,
                                                          .bytes = file_.bytes(),
                                                          .memory = ring_.bytes(),
                                                          .direct = is_direct_,
                                                          .shape = shape,
                                                          .seconds_max = seconds_max}));
  if (file_.bytes() > 0) next_read_ = (first + read) % file_.bytes();
  return rate_of(read, now_seconds() - start);
}

Result<double> StorageReader::read_seconds(uint64_t offset, uint32_t bytes) {
  const double start = now_seconds();
  engine_->submit({.offset = offset,
                   .data = ring_.bytes().data(),
                   .bytes = bytes,
                   .bytes_required = bytes,
                   .direct = is_direct_});
  Completion done;
  while (engine_->wait(std::span(&done, 1)) == 0) {
  }
  if (done.error_number != 0) return error_from_errno("read engine", done.error_number);
  return now_seconds() - start;
}

Result<double> StorageReader::cached_rate(uint32_t threads) {
  constexpr uint64_t kPieceBytes = 256u << 10;
  std::atomic<uint64_t> next{0};
  const double start = now_seconds();
  Status copied = run_parallel(threads, [&](uint32_t number) -> Status {
    const uint64_t pieces = ring_.bytes().size() / kPieceBytes;
    const auto piece = ring_.bytes().subspan(number % pieces * kPieceBytes, kPieceBytes);
    for (;;) {
      const uint64_t offset = next.fetch_add(kPieceBytes);
      if (offset >= file_.bytes()) return Ok{};
      const uint64_t bytes = std::min(kPieceBytes, file_.bytes() - offset);
      QLOAD_CHECK(file_.read_at(offset, piece.first(bytes), bytes));
    }
  });
  if (!copied.ok()) return std::move(copied).error();
  return rate_of(file_.bytes(), now_seconds() - start);
}

}  // namespace qload::bench
