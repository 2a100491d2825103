#include "tools/qrun/sampler.h"

#include <algorithm>
#include <cmath>

namespace qload::qrun {

uint32_t likeliest_token(std::span<const float> logits) {
  uint32_t best = 0;
  for (uint32_t i = 1; i < logits.size(); ++i) {
    if (logits[i] > logits[best] || std::isnan(logits[best])) best = i;
  }
  return best;
}

Sampler::Sampler(const SamplerOptions& options) : options_(options), random_(options.seed) {}

uint32_t Sampler::choose(std::span<const float> logits) {
  if (options_.temperature <= 0) return likeliest_token(logits);
  candidates_.clear();
  for (uint32_t i = 0; i < logits.size(); ++i) {
    if (!std::isnan(logits[i])) candidates_.emplace_back(logits[i], i);
  }
  if (candidates_.empty()) return 0;
  std::ranges::sort(candidates_, [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  if (options_.top_k != 0 && options_.top_k < candidates_.size()) {
    candidates_.resize(options_.top_k);
  }
  const float largest = candidates_.front().first;
  double sum = 0;
  for (auto& [value, token] : candidates_) {
    value = static_cast<float>(std::exp((value - largest) / options_.temperature));
    sum += value;
  }
  // The likeliest whose shares reach top_p, at least one.
  double kept = 0;
  size_t count = 0;
  while (count < candidates_.size() && (count == 0 || kept < options_.top_p * sum)) {
    kept += candidates_[count++].first;
  }
  // Not std::uniform_real_distribution: libraries differ in it.
  double rest = static_cast<double>(random_() >> 11) * 0x1p-53 * kept;
  for (size_t i = 0; i + 1 < count; ++i) {
    rest -= candidates_[i].first;
    if (rest < 0) return candidates_[i].second;
  }
  return candidates_[count - 1].second;
}

}  // namespace qload::qrun
