#include "format/pack/kept_bytes.h"

#include <algorithm>

#include "format/base/checked.h"
#include "format/base/format_text.h"

namespace qload {

Result<KeptRun> KeptRun::create(uint64_t file_bytes, std::span<const FileRange> tensors) {
  KeptRun run;
  uint64_t covered = 0;
  auto keep_until = [&](uint64_t end) {
    if (end == covered) return;
    run.pieces_.push_back({run.bytes_, covered});
    run.bytes_ += end - covered;
  };
  for (const FileRange& tensor : tensors) {
    if (tensor.bytes == 0) continue;
    if (tensor.offset < covered || !range_fits(tensor.offset, tensor.bytes, file_bytes)) {
      return Error(ErrorCode::kCorrupt,
                   text("a tensor's range of ", tensor.bytes, " bytes at ", tensor.offset,
                        " overlaps the one before it, which ends at ", covered,
                        ", or leaves the file of ", file_bytes, " bytes"));
    }
    keep_until(tensor.offset);
    covered = tensor.offset + tensor.bytes;
  }
  keep_until(file_bytes);
  return run;
}

size_t KeptRun::piece_at(uint64_t run_offset) const {
  auto after = std::upper_bound(
      pieces_.begin(), pieces_.end(), run_offset,
      [](uint64_t offset, const Piece& piece) { return offset < piece.run_offset; });
  return after == pieces_.begin() ? 0 : static_cast<size_t>(after - pieces_.begin()) - 1;
}

uint64_t KeptRun::piece_bytes(size_t piece) const {
  uint64_t end = piece + 1 < pieces_.size() ? pieces_[piece + 1].run_offset : bytes_;
  return end - pieces_[piece].run_offset;
}

}  // namespace qload
