// A file read as fast as storage gives it: by size and depth, without decoding.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "bench/load/direct_read.h"
#include "bench/load/fresh_memory.h"
#include "bench/load/plain_file.h"
#include "qload/result.h"
#include "runtime/io/direct_io.h"

namespace qload::bench {

/// Read sizes and depths of a sweep.
inline constexpr std::array<uint32_t, 5> kSweepReadBytes = {256u << 10, 512u << 10, 1u << 20,
                                                            2u << 20, 4u << 20};
inline constexpr std::array<uint32_t, 5> kSweepDepths = {4, 8, 16, 32, 64};
/// Ring memory: depth times size beyond this is left out of a sweep; no loader would stage it.
inline constexpr uint64_t kSweepRingBytesMax = 64ull << 20;

/// One open file, the read engine that a load would use, and memory to read into. With O_DIRECT and
/// io_uring where the system grants them. Not movable; one thread calls it.
class StorageReader {
 public:
  /// `threads` touch the memory, once.
  static Result<std::unique_ptr<StorageReader>> open(const std::filesystem::path& path,
                                                     uint32_t threads);

  /// Bytes per second of reading for `seconds_max` (0: the whole file), going on where the last
  /// reading ended.
  /// REQUIRES: shape.depth * shape.read_bytes <= kSweepRingBytesMax.
  Result<double> rate(ReadShape shape, double seconds_max);
  /// Seconds of one read of `bytes` at `offset` by itself. REQUIRES: both multiples of 4096.
  Result<double> read_seconds(uint64_t offset, uint32_t bytes);
  /// Bytes per second of pread() by `threads` threads into memory that stays in their caches: of
  /// the page cache, when the file lies there.
  Result<double> cached_rate(uint32_t threads);

  uint64_t file_bytes() const { return file_.bytes(); }
  bool is_direct() const { return is_direct_; }
  const std::string& method() const { return method_; }  ///< "uring, direct".

 private:
  StorageReader() = default;
  Status open_engine();

  PlainFile file_;
  DirectFile direct_;
  bool is_direct_ = false;
  std::unique_ptr<ReadEngine> engine_;
  FreshMemory ring_;
  std::string method_;
  uint64_t next_read_ = 0;
};

}  // namespace qload::bench
