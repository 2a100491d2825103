// Figures of groups of tensors, with the errors of their sums.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "tools/analyze/family_sums.h"
#include "tools/analyze/model_analysis.h"

namespace qload::analyze {

/// What is not known of a group of tensors of one family: it is told by other chunks of that.
struct UnknownChunks {
  double measured = 0;  ///< Chunks that were not measured.
  double packed = 0;    ///< Chunks whose packed size is not known.
  double inferred_bytes = 0;
  double inferred_squares = 0;  ///< Sum over tensors of bytes squared.
  double entropy_variance = 0;  ///< Of tensors of which some chunks were read; in bits squared.

  void add(const UnknownChunks& other);
};

/// Variances of what is told of unknown chunks.
struct UnknownVariances {
  double entropy_bits = 0;
  double packed_bytes = 0;
  std::array<double, kComparedCodecCount> codec_bytes = {};

  void add(const UnknownVariances& other);
  /// Their square roots, into the error fields.
  void describe(Figures& figures) const;
};
UnknownVariances variances_of(const FamilySums& family, const UnknownChunks& unknown);

/// Entropies, stream sizes and what was read of `added`, added to those of `sum`.
void add_entropies(Figures& sum, const Figures& added);
/// Entropies and stream sizes of `figures`, `factor` times.
void scale_entropies(Figures& figures, double factor);
/// Largest first.
void sort_forms(std::vector<FormShare>& forms);

/// Adds up figures of tensors and the errors of their sum.
class FiguresSum {
 public:
  /// `families` outlive it.
  explicit FiguresSum(const std::vector<FamilySums>& families) : families_(families) {}
  void add(const Figures& figures, uint32_t family, const UnknownChunks& unknown);
  Figures take() const;

 private:
  const std::vector<FamilySums>& families_;
  Figures sum_;
  std::map<uint32_t, UnknownChunks> unknown_;  // By family.
};

}  // namespace qload::analyze
