// O_DIRECT as a negotiation, and whether a file lies in the page cache.
#pragma once

#include <cstdint>

#include "qload/result.h"

namespace qload {

/// A second descriptor of an open file, for reads that bypass the page cache. Move-only; closes
/// what it opened.
class DirectFile {
 public:
  DirectFile() = default;
  ~DirectFile();
  DirectFile(DirectFile&& other) noexcept;
  DirectFile& operator=(DirectFile&& other) noexcept;

  /// Reopens `descriptor` with O_DIRECT and learns its alignment: from statx (STATX_DIOALIGN)
  /// where the kernel answers, then proves it by a trial read of one block of the file.
  /// kUnsupported says what refused: open, statx or the read.
  static Result<DirectFile> open(int descriptor);

  int descriptor() const { return descriptor_; }
  uint32_t alignment() const {
    return alignment_;
  }  ///< Of offset, memory and length; a power of two.

 private:
  int descriptor_ = -1;
  uint32_t alignment_ = 4096;
};

/// True when a sample of pages of [offset, offset + bytes) is all in the page cache. Asks with
/// cachestat (Linux 6.5), else with reads that never wait (preadv2, RWF_NOWAIT); false where the
/// kernel cannot say.
bool file_is_cached(int descriptor, uint64_t offset, uint64_t bytes);

}  // namespace qload
