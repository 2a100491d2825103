// Figures of tensors, kinds, layers and the whole model, from what was read and measured.
#pragma once

#include <cstdint>
#include <vector>

#include "tools/analyze/chunked_model.h"
#include "tools/analyze/family_sums.h"
#include "tools/analyze/figures_sum.h"
#include "tools/analyze/model_analysis.h"
#include "tools/analyze/sampling_plan.h"

namespace qload::analyze {

/// What is known of one run when its chunks have been seen.
struct RunSums {
  MeasuredSums measured;
  Figures read;  ///< Entropies of the bytes that were read, unscaled.
  EntropySums entropies;
};

/// How chunks are stored whose packed size is not known.
struct PackedShare {
  double stored_share = 1;  ///< Stored by decoded bytes.
  uint32_t stream_count = 1;
  bool raw = false;  ///< Most of the family's bytes are.
};

/// Scales what is known of runs to all of their bytes. Immutable.
class ModelEstimate {
 public:
  /// `sums` go by run number. `model` and `families` outlive it.
  ModelEstimate(const ChunkedModel& model, const RunFamilies& families, std::vector<RunSums> sums);

  /// The figures of a run; of one that is the same as another, that one's.
  Figures figures(uint32_t run) const;
  UnknownChunks unknown(uint32_t run) const;
  /// True when nothing of a run that has chunks was read.
  bool is_inferred(uint32_t run) const;
  /// A typical chunk of `run` among those whose packed size is not known.
  PackedShare packed_share(uint32_t run) const;

  uint32_t family(uint32_t run) const { return families_.of_run[run]; }
  const std::vector<FamilySums>& family_sums() const { return family_sums_; }

 private:
  uint32_t owner(uint32_t run) const { return model_.runs()[run].same_as.value_or(run); }
  void correct_entropy(uint32_t run, double gain);
  void estimate_entropies(uint32_t run, Figures& figures) const;
  void estimate_sizes(uint32_t run, Figures& figures) const;

  const ChunkedModel& model_;
  const RunFamilies& families_;
  std::vector<RunSums> sums_;
  std::vector<FamilySums> family_sums_;
};

}  // namespace qload::analyze
