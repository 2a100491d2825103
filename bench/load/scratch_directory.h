// A directory for what the benchmark makes, gone when it ends or is interrupted.
#pragma once

#include <filesystem>

#include "bench/load/bench_interrupt.h"
#include "qload/result.h"

namespace qload::bench {

/// Removed with its contents on destruction. Move-only.
class ScratchDirectory {
 public:
  /// Makes "qload_bench.XXXXXX" in `parent`.
  static Result<ScratchDirectory> create(const std::filesystem::path& parent,
                                         InterruptGuard& interrupts);
  ~ScratchDirectory();
  ScratchDirectory(ScratchDirectory&& other) noexcept;
  ScratchDirectory& operator=(ScratchDirectory&&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  ScratchDirectory(std::filesystem::path path, InterruptGuard& interrupts);
  std::filesystem::path path_;
  InterruptGuard* interrupts_;
  uint64_t cleanup_id_ = 0;
};

}  // namespace qload::bench
