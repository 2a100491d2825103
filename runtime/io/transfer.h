// Transfer: what the result of one system call means for a read. Pure; both engines use it.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "format/base/assert.h"
#include "format/base/checked.h"
#include "runtime/io/read_engine.h"

namespace qload {

/// One read on its way: which piece to ask the kernel for next, and how it ended. An engine asks
/// for [offset(), offset() + bytes()) into data(), hands the answer to take_result(), and repeats
/// while that says kResume.
class Transfer {
 public:
  enum class Next { kResume, kFinished };

  /// Interrupted and would-block answers in one read before it fails with that errno. Kernels
  /// answer so a few times at most; the bound only keeps a broken file system from holding a load.
  static constexpr uint32_t kRepeatsMax = 1000;

  Transfer() = default;
  /// REQUIRES: read.bytes_required <= read.bytes; `direct_alignment` a power of two.
  Transfer(const Read& read, uint32_t direct_alignment)
      : read_(read), alignment_(read.direct ? direct_alignment : 1) {
    QLOAD_ASSERT(read.bytes_required <= read.bytes && is_power_of_two(direct_alignment));
  }

  const Read& read() const { return read_; }
  uint64_t offset() const { return read_.offset + start_; }
  std::byte* data() const { return read_.data + start_; }
  uint32_t bytes() const { return read_.bytes - start_; }

  /// `result` is what the kernel answered: bytes transferred, or a negative errno.
  ///
  /// A short answer resumes where it stopped; with O_DIRECT, at the last aligned byte before that,
  /// so that some bytes are read twice. An answer that gets no further than an earlier one has met
  /// the end of the file. Example, alignment 4096, file of 6000 bytes, 12288 asked, 7000 required:
  /// 6000 (resume at 4096), 1904 (again 6000: ENODATA).
  Next take_result(int64_t result) {
    if (result == -EINTR || result == -EAGAIN) {
      if (++repeats_ <= kRepeatsMax) return Next::kResume;
    }
    if (result < 0) return finish(static_cast<int>(-result));
    QLOAD_ASSERT(result <= bytes());
    const uint32_t reached = start_ + static_cast<uint32_t>(result);
    const bool advanced = reached > reached_;
    if (advanced) reached_ = reached;
    if (reached_ >= read_.bytes_required) return finish(0);
    if (!advanced) return finish(ENODATA);
    start_ = static_cast<uint32_t>(align_down(reached_, alignment_));
    was_short_ = true;
    return Next::kResume;
  }

  /// How the read ended. REQUIRES: take_result() returned kFinished.
  Completion completion() const { return {read_.tag, error_number_, reached_}; }
  /// True when a short answer was resumed.
  bool was_short() const { return was_short_; }

 private:
  Next finish(int error_number) {
    error_number_ = error_number;
    return Next::kFinished;
  }

  Read read_;
  uint32_t alignment_ = 1;
  uint32_t start_ = 0;    // Of the next piece, within the read.
  uint32_t reached_ = 0;  // Bytes in place so far.
  uint32_t repeats_ = 0;
  int error_number_ = 0;
  bool was_short_ = false;
};

}  // namespace qload
