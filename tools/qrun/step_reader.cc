#include "tools/qrun/step_reader.h"

#include <algorithm>
#include <utility>

namespace qload::qrun {
namespace {

// What keeps a good drive busy: 4 MiB in flight (docs/performance.md).
constexpr int kThreadCount = 4;
constexpr uint64_t kPieceBytes = 1u << 20;

}  // namespace

StepReader::StepReader(std::vector<DirectFile> files) : files_(std::move(files)) {
  for (int i = 0; i < kThreadCount; ++i) threads_.emplace_back([this] { serve(); });
}

StepReader::~StepReader() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    pieces_.clear();
  }
  work_ready_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool StepReader::direct() const { return std::ranges::all_of(files_, &DirectFile::direct); }

void StepReader::start(const ReadGroup& group, std::span<std::byte> buffer) {
  {
    const std::lock_guard lock(mutex_);
    for (const ReadRun& run : group.runs) {
      for (uint64_t done = 0; done < run.bytes; done += kPieceBytes) {
        const uint64_t bytes = std::min(kPieceBytes, run.bytes - done);
        pieces_.push_back({run.file, run.offset + done, buffer.subspan(run.place + done, bytes),
                           std::min(bytes, run.bytes_wanted - done)});
      }
      bytes_read_ += run.bytes_wanted;
    }
    unfinished_count_ = pieces_.size();
    error_.reset();
  }
  work_ready_.notify_all();
}

Status StepReader::wait() {
  std::unique_lock lock(mutex_);
  work_done_.wait(lock, [this] { return unfinished_count_ == 0; });
  if (error_) return *error_;
  return Ok{};
}

void StepReader::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    work_ready_.wait(lock, [this] { return closing_ || !pieces_.empty(); });
    if (closing_) return;
    const Piece piece = pieces_.front();
    pieces_.pop_front();
    lock.unlock();
    Status status = files_[piece.file].read(piece.offset, piece.into, piece.bytes_wanted);
    lock.lock();
    if (!status.ok() && !error_) error_ = std::move(status).error();
    if (--unfinished_count_ == 0) work_done_.notify_all();
  }
}

}  // namespace qload::qrun
