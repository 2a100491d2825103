// Transformer: a Llama model's forward pass, step by step over a WeightSource.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "qload/result.h"
#include "tools/qrun/attention.h"
#include "tools/qrun/key_value_cache.h"
#include "tools/qrun/matrix_product.h"
#include "tools/qrun/model_config.h"
#include "tools/qrun/rope.h"
#include "tools/qrun/step_weights.h"
#include "tools/qrun/thread_team.h"
#include "tools/qrun/weight_plan.h"
#include "tools/qrun/weight_source.h"

namespace qload::qrun {

/// Runs tokens through the model and remembers their keys and values. Each pass takes up to
/// kBatchMax tokens through all layers: a prompt costs few passes, a generated token one.
/// One thread; the team helps.
class Transformer {
 public:
  /// Tokens of one pass. More share one pass over the weights, and cost activations for each.
  static constexpr uint32_t kBatchMax = 64;

  /// All arguments must outlive it. `position_count`: most tokens that it will ever see; their keys
  /// and values take layers * 2 * key_value_size() floats each.
  Transformer(const ModelConfig& config, const WeightPlan& plan, WeightSource& source,
              ThreadTeam& team, const RowKernels& kernels, uint32_t position_count);

  /// The memory that one takes: keys, values, activations and logits.
  static uint64_t memory_bytes(const ModelConfig& config, uint32_t position_count);

  /// Runs `tokens` at the next positions. Returns the logits after the last, one for each token of
  /// the vocabulary, valid until the next call. kInvalidArgument when there is none, one is not in
  /// the vocabulary, or no room is left; else the source's errors. After an error the transformer
  /// is of no further use.
  Result<std::span<const float>> forward(std::span<const uint32_t> tokens);

  uint32_t position() const { return position_; }  ///< Tokens so far.
  uint64_t pass_count() const { return pass_count_; }

 private:
  Status check_tokens(std::span<const uint32_t> tokens) const;
  Status run_pass(std::span<const uint32_t> tokens);
  Status embed(std::span<const uint32_t> tokens);
  Status run_layer(uint32_t layer, size_t count);
  Status attend(uint32_t layer, size_t count);
  Status feed_forward(uint32_t layer, size_t count);
  Status compute_logits(size_t count);

  /// A vector for each token of a pass; of these a batch, to read from or to write to.
  struct Buffer {
    void resize(size_t vector_count, size_t size) {
      values.resize(vector_count * size);
      stride = size;
    }
    Batch<const float> in(size_t count) const { return {values.data(), count, stride}; }
    Batch<float> out(size_t count) { return {values.data(), count, stride}; }
    std::span<float> vector(size_t number) {
      return std::span(values).subspan(number * stride, stride);
    }
    std::vector<float> values;
    size_t stride = 0;
  };
  /// `normed_` = the norm of each vector of `hidden_`.
  void normalise(const VectorRole& gain, size_t count);

  const ModelConfig& config_;
  const WeightPlan& plan_;
  ThreadTeam& team_;
  const RowKernels& kernels_;
  StepWeights weights_;
  KeyValueCache cache_;
  Attention attention_;
  Rope rope_;
  uint32_t position_ = 0;
  uint64_t pass_count_ = 0;

  Buffer hidden_;  // The residual stream.
  Buffer normed_;  // What goes into the products.
  Buffer query_;
  Buffer key_;
  Buffer value_;
  Buffer attended_;
  Buffer projected_;  // What comes back into the residual stream.
  Buffer gate_;
  Buffer up_;
  std::vector<float> logits_;
};

}  // namespace qload::qrun
