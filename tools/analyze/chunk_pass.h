// The pass over a model's chunks: workers read, count and measure them, the calling thread adds up.
#pragma once

#include <array>
#include <cstdint>
#include <stop_token>
#include <vector>

#include "format/pack/progress_meter.h"
#include "qload/result.h"
#include "tools/analyze/chunked_model.h"
#include "tools/analyze/model_analysis.h"
#include "tools/analyze/model_estimate.h"
#include "tools/analyze/sampling_plan.h"

namespace qload::analyze {

/// What is kept of one run besides its sums.
struct RunValues {
  ValueStatistics statistics;
  ValueHistogram histogram;  ///< Of the largest runs only.
};

struct PassResult {
  std::vector<RunSums> sums;      ///< By run.
  std::vector<RunValues> values;  ///< By run.
  /// Stored sizes by item; of items that are not known 0 bytes.
  std::vector<ChunkSize> packed_sizes;
  std::array<ValueHistogram, kTensorKindCount> kind_histograms;
};

struct PassOptions {
  uint32_t threads = 1;
  TargetDevice device;  ///< By whose rates decoding is predicted.
};

/// A tensor's histogram is kept of this many tensors, the largest: 2 KiB each.
inline constexpr size_t kHistogramTensorsMax = 4096;

/// Memory is a few chunks for each thread, some hundred bytes for each tensor, and 16 for each
/// chunk. kCancelled when `stop` is requested; errors of reading name the tensor.
Result<PassResult> run_chunk_pass(const ChunkedModel& model, const SamplingPlan& plan,
                                  const PassOptions& options, ProgressMeter& progress,
                                  std::stop_token stop);

}  // namespace qload::analyze
