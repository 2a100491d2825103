// Sampler: the next token from the logits.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <utility>
#include <vector>

namespace qload::qrun {

struct SamplerOptions {
  double temperature = 0;  ///< At least 0; 0: always the likeliest token (greedy).
  uint32_t top_k = 0;      ///< Only the k likeliest; 0: all.
  double top_p = 1;        ///< Only the likeliest that together have this share, in (0, 1].
  uint64_t seed = 1;
};

/// One thread. The same options and logits give the same tokens everywhere.
class Sampler {
 public:
  explicit Sampler(const SamplerOptions& options);
  /// REQUIRES: at least one logit. Of equal logits the first token wins; NaN never does.
  uint32_t choose(std::span<const float> logits);

 private:
  const SamplerOptions options_;
  std::mt19937_64 random_;
  std::vector<std::pair<float, uint32_t>> candidates_;  // Logit, then share, of each token.
};

/// The token with the largest logit.
uint32_t likeliest_token(std::span<const float> logits);

}  // namespace qload::qrun
