// Grouped-query attention over the cache.
#pragma once

#include <cstdint>
#include <vector>

#include "tools/qrun/key_value_cache.h"
#include "tools/qrun/matrix_product.h"
#include "tools/qrun/model_config.h"
#include "tools/qrun/row_kernels.h"
#include "tools/qrun/thread_team.h"

namespace qload::qrun {

/// Attention of a batch of tokens, each over itself and all before it. Consecutive query heads
/// share a key-value head.
class Attention {
 public:
  /// All arguments must outlive it.
  Attention(const ModelConfig& config, ThreadTeam& team, const RowKernels& kernels,
            KeyValueCache& cache);

  /// out.vector(t) = the heads' weighted values for query queries.vector(t) at position
  /// first_position + t. Keys and values up to there are in the cache. REQUIRES: both batches have
  /// query_size() floats in a vector.
  void compute(uint32_t layer, uint32_t first_position, Batch<const float> queries,
               Batch<float> out);

 private:
  void compute_head(uint32_t layer, uint32_t position, uint32_t head, const float* query,
                    std::span<float> out, std::span<float> scores);

  const ModelConfig& config_;
  ThreadTeam& team_;
  const RowKernels& kernels_;
  KeyValueCache& cache_;
  std::vector<std::vector<float>> scores_;  // Of each thread, one for each position.
};

}  // namespace qload::qrun
