// Which chunks are read, and which of those are encoded, so that the rest can be told from them.
// Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "tools/analyze/chunked_model.h"

namespace qload::analyze {

/// Runs that are alike, so that the chunks of some stand for those of others: of one type and one
/// name but for the numbers in it, as the same matrix of all layers has. Kept bytes are one family.
struct RunFamilies {
  std::vector<uint32_t> of_run;
  uint32_t count = 0;
};
RunFamilies find_families(const ChunkedModel& model);

/// One chunk of the work.
struct PlannedChunk {
  uint64_t item = 0;
  uint32_t run = 0;
  bool measured = false;  ///< Its codecs are tried.
};

struct SamplingPlan {
  std::vector<PlannedChunk> chunks;  ///< In the order of items.
  uint64_t bytes = 0;                ///< Of them.
  uint64_t measured_bytes = 0;
};

/// Of each family a share of its chunks, at least four, evenly spread with a random part: as much
/// as makes about `read_bytes_max` of the whole to be read, and `measured_bytes_max` to be
/// measured. Kept bytes are always read and measured, as far as 64 chunks go, and count in neither.
/// The same model, the same plan.
SamplingPlan plan_sampling(const ChunkedModel& model, const RunFamilies& families,
                           uint64_t read_bytes_max, uint64_t measured_bytes_max);

}  // namespace qload::analyze
