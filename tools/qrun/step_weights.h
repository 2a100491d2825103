// StepWeights: the tensors of the open step as matrices and vectors to compute with.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "qload/result.h"
#include "tools/qrun/matrix.h"
#include "tools/qrun/weight_plan.h"
#include "tools/qrun/weight_source.h"

namespace qload::qrun {

/// Opens steps of a source and turns roles into views. Norms, scales and the like become numbers
/// here, because their bytes need no alignment. One thread.
class StepWeights {
 public:
  /// Both must outlive it.
  StepWeights(const WeightPlan& plan, WeightSource& source);
  /// Ends the step that is open.
  ~StepWeights();
  StepWeights(const StepWeights&) = delete;
  StepWeights& operator=(const StepWeights&) = delete;

  /// Opens step `step`; views of the step before are gone.
  Status begin(uint32_t step);
  /// Ends the open step, if there is one.
  void end();

  /// REQUIRES: a role of the open step.
  std::span<const float> vector(const VectorRole& role);
  /// Checks what only the numbers can tell, in each pass anew, because they may have been read
  /// anew: kCorrupt when outlier columns do not exist or do not increase, or smoothing is by a
  /// number that is not finite and above 0.
  Result<Matrix> matrix(const MatrixRole& role);

 private:
  /// Room for `count` floats, until the step ends.
  std::span<float> take_floats(size_t count);
  Result<std::span<const float>> input_factors(const MatrixRole& role);
  Result<OutlierColumns> outliers(const MatrixRole& role);

  WeightSource& source_;
  bool open_ = false;
  std::span<const TensorBytes> tensors_;  // Of the open step.
  std::vector<float> floats_;             // As large as the neediest step.
  size_t floats_taken_ = 0;
  std::vector<uint32_t> columns_;  // Of outliers; the same.
  size_t columns_taken_ = 0;
};

}  // namespace qload::qrun
