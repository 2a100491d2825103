#include "tools/analyze/kind_histograms.h"

namespace qload::analyze {

void KindHistograms::add(TensorKind kind, DType dtype, const ValueHistogram& histogram) {
  const auto at = static_cast<size_t>(kind);
  const bool linear = histogram.bins == ValueHistogram::Bins::kLinear;
  if (!linear && dtype != DType::kI8) return;
  ValueHistogram& sum = linear ? linear_[at] : codes_[at];
  if (sum.counts.empty()) {
    sum = histogram;
    if (linear) {
      sum.lower = -1;
      sum.upper = 1;
    }
    return;
  }
  for (size_t bin = 0; bin < sum.counts.size(); ++bin) sum.counts[bin] += histogram.counts[bin];
}

std::array<ValueHistogram, kTensorKindCount> KindHistograms::take() const {
  std::array<ValueHistogram, kTensorKindCount> out;
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = codes_[i].counts.empty() ? linear_[i] : codes_[i];
  }
  return out;
}

}  // namespace qload::analyze
