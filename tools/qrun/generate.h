// Generation: from a prompt to tokens, with the times that users feel.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <vector>

#include "qload/result.h"
#include "tools/qrun/sampler.h"
#include "tools/qrun/transformer.h"

namespace qload::qrun {

struct GenerationOptions {
  std::vector<uint32_t> prompt;      ///< At least one token.
  uint32_t token_count_max = 128;    ///< Tokens to generate, at least 1.
  std::vector<uint32_t> end_tokens;  ///< Any of them ends the generation, and is its last token.
  SamplerOptions sampler;
  /// Called with each token as soon as it is known, on the calling thread. May be empty.
  std::function<void(uint32_t)> on_token;
  std::stop_token stop;  ///< Heeded between tokens.
};

struct Generation {
  std::vector<uint32_t> tokens;       ///< Generated.
  double first_token_seconds = 0;     ///< The prompt's passes, up to the first token.
  std::vector<double> token_seconds;  ///< Of each token after the first.
};

/// Generates with a fresh transformer. kCancelled when it was stopped.
/// REQUIRES: room for prompt.size() + token_count_max - 1 tokens: the last is not run.
Result<Generation> generate(Transformer& transformer, const GenerationOptions& options);

}  // namespace qload::qrun
