// Scores: how well a model predicts given tokens, each from those before it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include "qload/result.h"
#include "tools/qrun/transformer.h"

namespace qload::qrun {

struct ScoreOptions {
  /// Each begins anew at position 0, and predicts all its tokens but the first.
  std::vector<std::vector<uint32_t>> sequences;
  /// Called with the tokens run so far, after each pass. May be empty.
  std::function<void(uint64_t)> on_progress;
  std::stop_token stop;  ///< Heeded between passes.
};

struct Score {
  uint64_t token_count = 0;      ///< Predicted.
  uint64_t likeliest_count = 0;  ///< Of these, tokens that the model held the likeliest.
  double nats = 0;               ///< Sum of -log of the share that each token got.
  double seconds = 0;

  double nats_per_token() const { return nats / static_cast<double>(token_count); }
  double perplexity() const;
  double likeliest_share() const {
    return static_cast<double>(likeliest_count) / static_cast<double>(token_count);
  }
};

/// kInvalidArgument unless there are sequences, each has at least two tokens of the vocabulary, and
/// all but its last fit the context. Names the sequence by its number, from 1.
Status check_sequences(std::span<const std::vector<uint32_t>> sequences, const ModelConfig& config);

/// Tokens that are run: the last of each sequence is not.
uint64_t count_scored_tokens(std::span<const std::vector<uint32_t>> sequences);

/// kCancelled when stopped; kUnsupported when logits are not finite.
/// REQUIRES: check_sequences holds; the transformer gives all logits.
Result<Score> score_tokens(Transformer& transformer, const ScoreOptions& options);

/// -log of the share that softmax gives to `token`. Not finite when a logit is not.
double negative_log_share(std::span<const float> logits, uint32_t token);

}  // namespace qload::qrun
