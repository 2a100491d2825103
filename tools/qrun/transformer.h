// Transformer: a Llama model's forward pass, step by step over a WeightSource.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "qload/result.h"
#include "tools/qrun/activation_recorder.h"
#include "tools/qrun/attention.h"
#include "tools/qrun/key_value_cache.h"
#include "tools/qrun/linear_inputs.h"
#include "tools/qrun/matrix_product.h"
#include "tools/qrun/model_config.h"
#include "tools/qrun/rope.h"
#include "tools/qrun/step_weights.h"
#include "tools/qrun/thread_team.h"
#include "tools/qrun/weight_plan.h"
#include "tools/qrun/weight_source.h"

namespace qload::qrun {

struct TransformerOptions {
  /// Most tokens from one reset to the next; their keys and values take layers * 2 *
  /// key_value_size() floats each.
  uint32_t position_count = 1;
  ActivationType activations = ActivationType::kFloat;
  bool all_logits = false;                 ///< forward_all will be called.
  ActivationRecorder* recorder = nullptr;  ///< Sees the inputs of all linears. Borrowed.
};

/// Runs tokens through the model and remembers their keys and values. Each pass takes up to
/// kBatchMax tokens through all layers: a prompt costs few passes, a generated token one.
/// One thread; the team helps.
class Transformer {
 public:
  /// Tokens of one pass. More share one pass over the weights, and cost activations for each.
  static constexpr uint32_t kBatchMax = 64;

  /// All arguments must outlive it.
  Transformer(const ModelConfig& config, const WeightPlan& plan, WeightSource& source,
              ThreadTeam& team, const RowKernels& kernels, const TransformerOptions& options);

  /// The memory that one takes: keys, values, activations and logits. The recorder's is not in it.
  static uint64_t memory_bytes(const ModelConfig& config, const WeightPlan& plan,
                               const TransformerOptions& options);

  /// Runs `tokens` at the next positions. Returns the logits after the last, one for each token of
  /// the vocabulary, valid until the next call. kInvalidArgument when there is none, one is not in
  /// the vocabulary, or no room is left; else the source's errors. After an error the transformer
  /// is of no further use.
  Result<std::span<const float>> forward(std::span<const uint32_t> tokens);
  /// The same for at most kBatchMax tokens, with the logits after each of them.
  /// REQUIRES: options.all_logits.
  Result<Batch<const float>> forward_all(std::span<const uint32_t> tokens);
  /// Forgets all tokens: the next is at position 0.
  void reset() { position_ = 0; }

  uint32_t position() const { return position_; }  ///< Tokens since the start, or the last reset.
  uint64_t pass_count() const { return pass_count_; }

 private:
  Status check_tokens(std::span<const uint32_t> tokens) const;
  /// `logits_count`: how many of the last tokens get logits.
  Status run_pass(std::span<const uint32_t> tokens, size_t logits_count);
  Status embed(std::span<const uint32_t> tokens);
  Status run_layer(uint32_t layer, size_t count);
  Status attend(uint32_t layer, size_t count);
  Status feed_forward(uint32_t layer, size_t count);
  Status compute_logits(size_t count, size_t logits_count);

  /// out = matrix of `role` times in.
  struct Linear {
    const MatrixRole& role;
    Batch<const float> in;
    Batch<float> out;
  };
  /// Records the inputs of linears and computes them, in one round of the team.
  Status run_linears(std::span<const Linear> linears);
  void record(const MatrixRole& role, Batch<const float> in);
  Status multiply_linears(std::span<const Linear> linears);

  /// A vector for each token of a pass; of these a batch, to read from or to write to.
  struct Buffer {
    void resize(size_t vector_count, size_t size) {
      values.resize(vector_count * size);
      stride = size;
    }
    Batch<const float> in(size_t count, size_t first = 0) const {
      return {values.data() + first * stride, count, stride};
    }
    Batch<float> out(size_t count) { return {values.data(), count, stride}; }
    std::span<float> vector(size_t number) {
      return std::span(values).subspan(number * stride, stride);
    }
    std::vector<float> values;
    size_t stride = 0;
  };
  /// `normed_` = the norm of `hidden_`, for the vectors of tokens [first, end) of the pass.
  void normalise(const VectorRole& gain, size_t first, size_t end);

  const ModelConfig& config_;
  const WeightPlan& plan_;
  ThreadTeam& team_;
  const RowKernels& kernels_;
  const TransformerOptions options_;
  StepWeights weights_;
  KeyValueCache cache_;
  Attention attention_;
  Rope rope_;
  LinearInputs inputs_;
  uint32_t position_ = 0;
  uint64_t token_count_ = 0;  // Of all passes.
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
  Buffer logits_;
};

}  // namespace qload::qrun
