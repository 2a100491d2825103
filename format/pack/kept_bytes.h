// The bytes of a source file that no tensor holds: header, padding, tail. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "qload/result.h"

namespace qload {

/// A range of a file.
struct FileRange {
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

/// The kept bytes of one file as one run: pieces of the file, one after the other.
class KeptRun {
 public:
  /// What `tensors`, sorted by offset, leave of a file of `file_bytes`. kCorrupt when they
  /// overlap or leave the file.
  static Result<KeptRun> create(uint64_t file_bytes, std::span<const FileRange> tensors);

  uint64_t bytes() const { return bytes_; }

  /// Calls visit(file_range, offset in [offset, offset + bytes) of the run) -> Status for each
  /// piece of that part of the run, in order. REQUIRES: the part lies in the run.
  template <class Visit>
  Status each_piece(uint64_t offset, uint64_t bytes, Visit visit) const {
    for (size_t i = piece_at(offset); bytes > 0; ++i) {
      uint64_t skip = offset - pieces_[i].run_offset;
      FileRange range{pieces_[i].file_offset + skip, piece_bytes(i) - skip};
      if (range.bytes > bytes) range.bytes = bytes;
      Status status = visit(range, offset);
      if (!status.ok()) return status;
      offset += range.bytes;
      bytes -= range.bytes;
    }
    return Ok{};
  }

 private:
  struct Piece {
    uint64_t run_offset;
    uint64_t file_offset;
  };
  size_t piece_at(uint64_t run_offset) const;
  uint64_t piece_bytes(size_t piece) const;

  std::vector<Piece> pieces_;
  uint64_t bytes_ = 0;
};

}  // namespace qload
