// StepReader: threads that read one group of runs while the engine computes on another.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "qload/result.h"
#include "tools/qrun/direct_file.h"
#include "tools/qrun/read_layout.h"

namespace qload::qrun {

/// Reads groups, one at a time: start, then wait. One thread calls it.
class StepReader {
 public:
  /// `files`: one for each file of the model.
  explicit StepReader(std::vector<DirectFile> files);
  /// Waits for reads in flight.
  ~StepReader();
  StepReader(const StepReader&) = delete;
  StepReader& operator=(const StepReader&) = delete;

  /// Begins to read `group` into `buffer`. REQUIRES: the group before was waited for; both stay
  /// alive until then; the buffer starts on kDirectAlignment and has group.buffer_bytes.
  void start(const ReadGroup& group, std::span<std::byte> buffer);
  /// Waits for the group that was started. The first error of its reads.
  Status wait();

  bool direct() const;  ///< All files are read around the page cache.
  uint64_t bytes_read() const { return bytes_read_; }  ///< Of the groups waited for.

 private:
  struct Piece {
    uint32_t file;
    uint64_t offset;
    std::span<std::byte> into;
    uint64_t bytes_wanted;
  };
  void serve();

  const std::vector<DirectFile> files_;
  uint64_t bytes_read_ = 0;

  std::mutex mutex_;  // Guards all below.
  std::condition_variable work_ready_;
  std::condition_variable work_done_;
  std::deque<Piece> pieces_;
  uint64_t unfinished_count_ = 0;
  std::optional<Error> error_;
  bool closing_ = false;

  std::vector<std::thread> threads_;
};

}  // namespace qload::qrun
