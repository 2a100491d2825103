// What values of each kind of tensor look like together.
#pragma once

#include <array>

#include "tools/analyze/model_analysis.h"

namespace qload::analyze {

/// Adds up histograms of tensors: those of INT8 as they are, code by code, and those of other
/// numbers bin by bin, from -1 to 1 of each tensor's own absmax.
class KindHistograms {
 public:
  void add(TensorKind kind, DType dtype, const ValueHistogram& histogram);
  /// Of each kind the INT8 one, or else the other; empty where there is neither.
  std::array<ValueHistogram, kTensorKindCount> take() const;

 private:
  std::array<ValueHistogram, kTensorKindCount> codes_;
  std::array<ValueHistogram, kTensorKindCount> linear_;
};

}  // namespace qload::analyze
