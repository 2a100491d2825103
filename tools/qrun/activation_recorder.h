// ActivationRecorder: what the inputs of linears look like, for quantizers that ask.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "qload/result.h"
#include "tools/qrun/matrix_product.h"
#include "tools/qrun/weight_plan.h"

namespace qload::qrun {

struct RecordingOptions {
  uint64_t sample_count = 0;  ///< Inputs kept of each linear, at most.
  /// Tokens that will be run: samples are spread evenly over them. Where fewer are run, samples are
  /// fewer; later tokens leave none.
  uint64_t token_count = 1;
};

/// Of each linear, the largest magnitude of every column of its input, and samples of inputs.
/// Inputs are what the layer before gives, whatever the weights' quantization makes of them. One
/// thread.
class ActivationRecorder {
 public:
  struct Linear {
    std::string module;                     ///< MatrixRole::module.
    std::vector<float> largest_magnitudes;  ///< One for each column.
    std::vector<float> samples;             ///< Whole inputs, in the order of tokens.
  };

  /// All linears of `plan`.
  ActivationRecorder(const WeightPlan& plan, const RecordingOptions& options);
  /// The memory that one takes in the end.
  static uint64_t memory_bytes(const WeightPlan& plan, const RecordingOptions& options);

  /// The inputs of `linear`, a linear of the plan, for tokens first_token, first_token + 1, ... of
  /// all that are run.
  void record(const MatrixRole& linear, uint64_t first_token, Batch<const float> in);

  const std::vector<Linear>& linears() const { return linears_; }
  uint64_t token_count() const { return token_count_; }  ///< Recorded.
  /// kUnsupported when an input held an infinity or NaN: the model or the tokens are broken, and
  /// magnitudes would say nothing.
  Status check_finite() const;

 private:
  bool is_sampled(uint64_t token) const;

  const RecordingOptions options_;
  std::vector<Linear> linears_;
  std::unordered_map<std::string_view, size_t> by_module_;  // Into linears_, which does not grow.
  uint64_t token_count_ = 0;
};

}  // namespace qload::qrun
