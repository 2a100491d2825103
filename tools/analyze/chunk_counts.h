// What one chunk's bytes are counted as: histograms of the streams of every filter that could suit,
// and of whole values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "format/base/histogram.h"
#include "format/filter/filter.h"
#include "format/pack/recipe.h"
#include "qload/tensor.h"
#include "tools/analyze/value_moments.h"

namespace qload::analyze {

/// Order-0 entropy of all that is counted, in bits: sum of c log2(total / c).
double entropy_bits(std::span<const uint32_t> counts);
double entropy_bits(std::span<const uint64_t> counts);

/// The filters that are looked at for a type, by id, `none` first: every one that the recipe would
/// consider, and plain byte planes of wider types.
std::vector<FilterId> analyzed_filters(DType dtype, ContentKind kind);

/// A code of two bytes and how often it occurs.
struct CodeCount {
  uint16_t code = 0;
  uint32_t count = 0;
};

struct FilterCounts {
  std::array<ByteCounts, kStreamCountMax> streams = {};
  double bits = 0;  ///< Entropy of all streams.
};

/// Reused from chunk to chunk, so that nothing is allocated once it is large enough.
struct ChunkCounts {
  uint64_t bytes = 0;
  std::vector<FilterCounts> filters;  ///< As analyzed_filters() has them.
  /// Of types of two bytes the codes that occur; of wider ones their upper halves
  /// (count_upper_halves). Empty of others.
  std::vector<CodeCount> codes;
  ValueMoments moments;  ///< Of types of four and eight bytes; that of others follows from counts.

  /// The least entropy that a filter leads to, in bits.
  double best_bits() const;
};

/// Counts chunks. Holds working memory; one thread at a time.
class ChunkCounter {
 public:
  ChunkCounter() : table_(1u << 16) {}
  /// REQUIRES: chunk is not empty and has fewer than 2^32 bytes.
  void count(DType dtype, ContentKind kind, std::span<const std::byte> chunk, ChunkCounts& counts);

 private:
  void count_codes(std::span<const std::byte> chunk);
  void take_table(std::vector<CodeCount>& codes);
  void count_filter(FilterId filter, std::span<const std::byte> chunk, FilterCounts& counts);

  std::vector<uint32_t> table_;  ///< Of 65536 codes; all zero between calls.
  std::vector<std::byte> streams_;
};

}  // namespace qload::analyze
