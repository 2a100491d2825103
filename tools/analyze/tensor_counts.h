// The counts of a tensor's chunks together, and what they say about its values.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "tools/analyze/chunk_counts.h"
#include "tools/analyze/model_analysis.h"

namespace qload::analyze {

/// One tensor at a time; keeps its memory from one to the next. One thread.
class TensorCounts {
 public:
  TensorCounts() : code_counts_(1u << 16) {}

  /// Forgets the tensor before.
  void begin(DType dtype, ContentKind kind);
  void add(const ChunkCounts& chunk);

  uint64_t read_bytes() const { return read_bytes_; }
  /// Of the bytes that were added: entropies by filter, of whole values, and read_bytes.
  void describe_entropies(Figures& figures) const;
  ValueStatistics statistics() const;
  ValueHistogram histogram() const;

 private:
  using StreamCounts = std::array<uint64_t, 256>;
  struct FilterSums {
    FilterId filter = FilterId::kNone;
    uint32_t stream_count = 1;
    std::array<StreamCounts, kStreamCountMax> streams = {};
    double chunk_bits = 0;
  };

  bool has_code_counts() const;
  std::vector<CountedValue> counted_values() const;
  ValueMoments moments() const;

  DType dtype_ = DType::kU8;
  ContentKind kind_ = ContentKind::kTensor;
  uint64_t read_bytes_ = 0;
  double best_chunk_bits_ = 0;
  std::vector<FilterSums> filters_;
  std::vector<uint64_t> code_counts_;  ///< By code; zero for all that are not in codes_.
  std::vector<uint16_t> codes_;        ///< Those that occur.
  ValueMoments wide_moments_;
};

}  // namespace qload::analyze
