// What pack_model writes, in order, as a list of chunks that can be made in any order. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "format/input/model_source.h"
#include "format/pack/cut_chunks.h"
#include "format/pack/kept_bytes.h"
#include "format/pack/recipe.h"
#include "qload/result.h"
#include "qload/tensor.h"

namespace qload {

/// One tensor, or the kept bytes of one file, cut into chunks. Item first_item + k is chunk k. A
/// tensor that shares the chunks of an earlier run has none of its own: its cut is empty.
struct PackRun {
  ContentKind kind = ContentKind::kTensor;
  uint32_t number = 0;  ///< Of the tensor, or for kKept of the file, in the source.
  bool opens_group = false;
  uint32_t stack = kNoLayer;
  uint32_t layer = kNoLayer;
  std::optional<uint32_t> shared_run;  ///< The number of the run whose chunks are its own too.
  uint64_t first_item = 0;
  ChunkCut cut;
};

/// The whole container in writing order: tensors in load order, then each file's kept bytes. Of
/// tensors that are the same the first in load order has the chunks: a load in that order meets
/// them where they lie.
/// Immutable; any thread may read it. Lives no longer than its source.
class PackPlan {
 public:
  /// `same_as` has, for each tensor, the number of one that it is the same as: one number for all
  /// that are the same, its own for a tensor by itself (find_duplicates).
  static Result<PackPlan> create(const ModelSource& source, uint64_t chunk_bytes,
                                 std::span<const uint32_t> same_as);

  std::span<const PackRun> runs() const { return runs_; }
  uint64_t item_count() const { return item_count_; }
  /// The run that holds `item`. REQUIRES: item < item_count().
  const PackRun& run_of(uint64_t item) const;
  const KeptRun& kept(uint32_t file) const { return kept_[file]; }
  uint64_t duplicate_count() const { return duplicate_count_; }  ///< Runs with a shared_run.
  uint64_t duplicate_bytes() const { return duplicate_bytes_; }  ///< Of their tensors.

 private:
  Status add_kept(const ModelSource& source, uint64_t chunk_bytes);
  void add_run(PackRun run);

  std::vector<PackRun> runs_;
  std::vector<KeptRun> kept_;
  uint64_t item_count_ = 0;
  uint64_t duplicate_count_ = 0;
  uint64_t duplicate_bytes_ = 0;
};

}  // namespace qload
