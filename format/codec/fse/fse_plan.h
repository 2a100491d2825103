// Which table an fse encoder uses for some data.
#pragma once

#include <cstdint>

#include "format/codec/fse/fse_counts.h"

namespace qload {

struct FsePlan {
  uint32_t table_log = 0;
  FseCounts counts = {};
  FseCountsForm counts_form;
  uint64_t computed_bytes = 0;  ///< Counts and codes by their entropy, without lanes' borders.
};

/// Tries the tables that suit `total` bytes and takes the smallest whose computed size is within
/// 1/1024 of the best: a larger one takes longer to build and more of a core's nearest cache.
/// REQUIRES: total > 0, the sum of `histogram`.
FsePlan plan_fse(const FseHistogram& histogram, uint64_t total);

}  // namespace qload
