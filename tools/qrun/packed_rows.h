// PackedRows: strips of a matrix that is kept packed in memory.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "qload/packed.h"
#include "qload/result.h"
#include "tools/qrun/matrix.h"

namespace qload::qrun {

/// A cursor for each worker, which goes from matrix to matrix: its memory and its decoders' tables
/// stay in the cache of the worker's processor, and do not grow with the model.
class CursorTeam {
 public:
  explicit CursorTeam(uint32_t worker_count) : places_(worker_count) {}

  /// The worker's cursor, on `tensor`. Each worker on a thread of its own.
  Result<RowCursor*> cursor_on(uint32_t worker, const PackedWeights& weights,
                               const TensorInfo& tensor);

 private:
  // A place on cache lines of its own: workers write theirs at the same time.
  struct alignas(64) Place {
    std::optional<RowCursor> cursor;
    const TensorInfo* tensor = nullptr;
  };
  std::vector<Place> places_;
};

/// One matrix. Tasks are cut where chunks begin, so that none is decoded twice.
class PackedRows : public RowStrips {
 public:
  /// `weights` and `cursors` outlive it. kNotFound as of RowCursor::open.
  static Result<PackedRows> open(const PackedWeights& weights, const TensorInfo& tensor,
                                 CursorTeam& cursors);

  std::span<const uint64_t> cuts() const override { return cuts_; }
  Status seek(uint32_t worker, uint64_t row) override;
  Result<RowStrip> next_rows(uint32_t worker, uint64_t row_count_max) override;

 private:
  PackedRows(const PackedWeights& weights, const TensorInfo& tensor, CursorTeam& cursors)
      : weights_(&weights), tensor_(&tensor), cursors_(&cursors) {}

  const PackedWeights* weights_;
  const TensorInfo* tensor_;
  CursorTeam* cursors_;
  std::vector<uint64_t> cuts_;
};

}  // namespace qload::qrun
