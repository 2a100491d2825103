#include "tools/qrun/generate.h"

#include <algorithm>
#include <chrono>

#include "format/base/try.h"

namespace qload::qrun {

Result<Generation> generate(Transformer& transformer, const GenerationOptions& options) {
  using Clock = std::chrono::steady_clock;
  Sampler sampler(options.sampler);
  Generation out;
  std::vector<uint32_t> input = options.prompt;
  while (out.tokens.size() < options.token_count_max) {
    if (options.stop.stop_requested()) {
      return Error(ErrorCode::kCancelled, "generation was stopped");
    }
    const Clock::time_point start = Clock::now();
    QLOAD_TRY(const std::span<const float> logits, transformer.forward(input));
    const uint32_t token = sampler.choose(logits);
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (out.tokens.empty()) {
      out.first_token_seconds = seconds;
    } else {
      out.token_seconds.push_back(seconds);
    }
    out.tokens.push_back(token);
    if (options.on_token) options.on_token(token);
    if (std::ranges::find(options.end_tokens, token) != options.end_tokens.end()) break;
    input = {token};
  }
  return out;
}

}  // namespace qload::qrun
