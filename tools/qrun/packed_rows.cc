#include "tools/qrun/packed_rows.h"

#include <algorithm>
#include <utility>

#include "format/base/try.h"

namespace qload::qrun {
namespace {

// Decoded rows that are multiplied at once: they stay in the L2 cache beside what decoders read
// and look up (docs/performance.md, "Weights kept packed, in an engine").
constexpr uint64_t kStripBytes = 64u << 10;

// Chunks smaller than this come together in a task.
constexpr uint64_t kTaskBytesMin = 64u << 10;

}  // namespace

Result<RowCursor*> CursorTeam::cursor_on(uint32_t worker, const PackedWeights& weights,
                                         const TensorInfo& tensor) {
  Place& place = places_[worker];
  if (place.tensor == &tensor) return &*place.cursor;
  if (place.cursor) {
    place.tensor = nullptr;
    QLOAD_CHECK(place.cursor->reopen(weights, tensor.name));
  } else {
    QLOAD_TRY(place.cursor, RowCursor::open(weights, tensor.name, {.buffer_bytes = kStripBytes}));
  }
  place.tensor = &tensor;
  return &*place.cursor;
}

Result<PackedRows> PackedRows::open(const PackedWeights& weights, const TensorInfo& tensor,
                                    CursorTeam& cursors) {
  QLOAD_TRY(const RowCursor* cursor, cursors.cursor_on(0, weights, tensor));
  PackedRows out(weights, tensor, cursors);
  const uint64_t step = std::max<uint64_t>(1, kTaskBytesMin / cursor->row_bytes());
  for (uint64_t row = 0; row < cursor->rows(); row += step) {
    const uint64_t start = cursor->chunk_start_row(row);
    if (out.cuts_.empty() || start > out.cuts_.back()) out.cuts_.push_back(start);
  }
  out.cuts_.push_back(cursor->rows());
  return out;
}

Status PackedRows::seek(uint32_t worker, uint64_t row) {
  QLOAD_TRY(RowCursor* const cursor, cursors_->cursor_on(worker, *weights_, *tensor_));
  return cursor->seek(row);
}

Result<RowStrip> PackedRows::next_rows(uint32_t worker, uint64_t row_count_max) {
  QLOAD_TRY(RowCursor* const cursor, cursors_->cursor_on(worker, *weights_, *tensor_));
  QLOAD_TRY(const RowsView view, cursor->next_rows(row_count_max));
  return RowStrip{view.data.data(), view.first_row, view.count};
}

}  // namespace qload::qrun
