// What codecs would make of a stream, from its histogram alone.
#pragma once

#include <cstdint>

#include "format/base/histogram.h"
#include "format/codec/codec.h"
#include "format/pack/cost_model.h"

namespace qload {

/// One codec for one stream, with the size it would have and what that costs to load.
struct StreamEstimate {
  StreamRecipe recipe = {};
  uint64_t stored_bytes = 0;
  double cost = 0;
};

/// The cheapest of store, constant, and the codecs that a histogram tells of, for a stream of which
/// `total` bytes of these counts are a sample. A coded stream saves at least `gain_min` of its
/// bytes. REQUIRES: total > 0, the sum of counts.
StreamEstimate cheapest_stream(const TargetDevice& device, const ByteCounts& counts, uint64_t total,
                               double gain_min);

}  // namespace qload
