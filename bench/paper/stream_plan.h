// How a model is loaded layer after layer into memory that is used again and again.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "format/input/model_source.h"
#include "qload/model.h"
#include "qload/result.h"

namespace qload::bench {

/// One tensor of a piece. It has two places in the arena: aligned by itself, for whoever decodes
/// it there; and as it lies in its range, for whoever reads the plain file.
struct StreamTensor {
  std::string name;
  uint32_t source = 0;  ///< Its number in the ModelSource.
  uint64_t bytes = 0;
  uint64_t aligned_place = 0;
  uint64_t range_place = 0;
};

/// Bytes of a plain file that are read at once: whole blocks at the front, neighbours merged.
struct StreamRange {
  uint32_t file = 0;
  uint64_t offset = 0;  ///< On kAlignmentMin.
  uint64_t bytes = 0;   ///< To the end of the last tensor.
  uint64_t place = 0;   ///< In the arena, on kAlignmentMin; whole blocks are free there.
};

/// Bytes of a tensor whose checksum is compared after every load.
struct StreamSample {
  size_t tensor = 0;  ///< Number within the piece.
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t checksum = 0;
};

/// One layer, or some of what belongs to no layer.
struct StreamPiece {
  std::vector<StreamTensor> tensors;
  std::vector<StreamRange> ranges;
  std::vector<StreamSample> samples;
};

/// Fills in the ranges of the plain files that hold the piece's tensors, and the tensors' places in
/// them. Returns the bytes of the arena that they take.
uint64_t place_ranges(StreamPiece& piece, std::span<const SourceTensor> source);

struct StreamPlan {
  std::vector<StreamPiece> pieces;  ///< In load order.
  uint64_t arena_bytes = 0;         ///< Enough for every piece, either way.
};

/// Cuts `packed` into its layers. What belongs to none goes into pieces that are no larger than
/// the largest layer, unless a single tensor is. Samples are read from `source`. kCorrupt when
/// the two do not hold the same tensors.
Result<StreamPlan> plan_stream(const Model& packed, const ModelSource& source);

/// Where the bytes of a piece's tensor are now.
using StreamBytes = std::function<std::span<const std::byte>(const StreamTensor&)>;

/// kCorrupt names the first tensor whose sample differs.
Status check_samples(const StreamPiece& piece, const StreamBytes& bytes);
/// The same with every byte of the piece, read from `source`.
Status compare_piece(const StreamPiece& piece, const ModelSource& source, const StreamBytes& bytes);

}  // namespace qload::bench
