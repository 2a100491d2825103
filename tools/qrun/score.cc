#include "tools/qrun/score.h"

#include <algorithm>
#include <cmath>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/qrun/stopwatch.h"

namespace qload::qrun {
namespace {

/// Adds the predictions of one sequence.
Status score_sequence(Transformer& transformer, std::span<const uint32_t> tokens,
                      const ScoreOptions& options, Score& score, uint64_t& tokens_run) {
  transformer.reset();
  const size_t run_count = tokens.size() - 1;
  for (size_t first = 0; first < run_count;) {
    if (options.stop.stop_requested()) {
      return Error(ErrorCode::kCancelled, "scoring was stopped");
    }
    const size_t count = std::min<size_t>(Transformer::kBatchMax, run_count - first);
    QLOAD_TRY(const Batch<const float> logits,
              transformer.forward_all(tokens.subspan(first, count)));
    for (size_t i = 0; i < count; ++i) {
      const std::span<const float> shares(logits.vector(i), logits.stride);
      const uint32_t next = tokens[first + i + 1];
      score.nats += negative_log_share(shares, next);
      score.likeliest_count += std::ranges::max(shares) == shares[next];
    }
    first += count;
    tokens_run += count;
    if (options.on_progress) options.on_progress(tokens_run);
  }
  score.token_count += run_count;
  if (!std::isfinite(score.nats)) {
    return Error(ErrorCode::kUnsupported, "the model's logits are not finite");
  }
  return Ok{};
}

}  // namespace

double Score::perplexity() const { return std::exp(nats_per_token()); }

Status check_sequences(std::span<const std::vector<uint32_t>> sequences,
                       const ModelConfig& config) {
  if (sequences.empty()) return Error(ErrorCode::kInvalidArgument, "there are no tokens to score");
  for (size_t i = 0; i < sequences.size(); ++i) {
    const uint64_t count = sequences[i].size();
    if (count < 2 || count - 1 > config.context_length) {
      return Error(ErrorCode::kInvalidArgument,
                   text("sequence ", i + 1, " has ", count, " tokens, expected 2 to ",
                        uint64_t{config.context_length} + 1, ", the model's context and one"));
    }
    const uint32_t largest = std::ranges::max(sequences[i]);
    if (largest >= config.vocabulary_size) {
      return Error(ErrorCode::kInvalidArgument,
                   text("sequence ", i + 1, " has token ", largest,
                        ", which is not in the vocabulary of ", config.vocabulary_size));
    }
  }
  return Ok{};
}

uint64_t count_scored_tokens(std::span<const std::vector<uint32_t>> sequences) {
  uint64_t count = 0;
  for (const std::vector<uint32_t>& tokens : sequences) count += tokens.size() - 1;
  return count;
}

Result<Score> score_tokens(Transformer& transformer, const ScoreOptions& options) {
  const Stopwatch watch;
  Score score;
  uint64_t tokens_run = 0;
  for (const std::vector<uint32_t>& tokens : options.sequences) {
    QLOAD_CHECK(score_sequence(transformer, tokens, options, score, tokens_run));
  }
  score.seconds = watch.seconds();
  return score;
}

double negative_log_share(std::span<const float> logits, uint32_t token) {
  const double largest = std::ranges::max(logits);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return std::log(sum) + largest - logits[token];
}

}  // namespace qload::qrun
