#include "tools/qrun/run_work.h"

#include <algorithm>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/qrun/score.h"

namespace qload::qrun {
namespace {

Result<std::vector<uint32_t>> make_prompt(const RunArguments& arguments, const ModelFacts& facts) {
  if (!arguments.tokens.empty()) return arguments.tokens;
  if (facts.tokenizer) {
    QLOAD_TRY(auto tokens, facts.tokenizer->encode(arguments.prompt.value_or("")));
    if (!tokens.empty()) return tokens;
  } else if (arguments.prompt && !facts.tokenizer_refusal.empty()) {
    return Error(ErrorCode::kUnsupported,
                 text(facts.tokenizer_refusal, "; --tokens takes numbers"));
  } else if (arguments.prompt) {
    return Error(ErrorCode::kInvalidArgument,
                 text(quote(arguments.model),
                      " has no vocabulary; --tokenizer names one, --tokens takes numbers"));
  }
  return std::vector<uint32_t>{facts.config.begin_token.value_or(0)};
}

Result<TokenLists> list_sequences(const RunArguments& arguments, const ModelFacts& facts) {
  if (!arguments.score_file.empty()) return read_token_file(arguments.score_file);
  QLOAD_TRY(std::vector<uint32_t> prompt, make_prompt(arguments, facts));
  return TokenLists{std::move(prompt)};
}

/// The tokens that a model sees when it generates: the last one is not run.
Result<uint32_t> count_generated(uint64_t prompt_count, uint32_t token_count,
                                 const ModelConfig& config) {
  const uint64_t count = prompt_count + token_count - 1;
  if (count <= config.context_length) return static_cast<uint32_t>(count);
  return Error(ErrorCode::kInvalidArgument,
               text(prompt_count, " prompt tokens and ", token_count,
                    " to generate do not fit the model's context of ", config.context_length));
}

}  // namespace

Result<RunWork> plan_work(const RunArguments& arguments, const ModelFacts& facts) {
  RunWork work;
  QLOAD_TRY(work.sequences, list_sequences(arguments, facts));
  if (!arguments.score) {
    QLOAD_TRY(work.position_count,
              count_generated(work.sequences.front().size(), arguments.token_count, facts.config));
    work.token_count = work.position_count;
    return work;
  }
  QLOAD_CHECK(check_sequences(work.sequences, facts.config));
  for (const std::vector<uint32_t>& tokens : work.sequences) {
    work.position_count = std::max(work.position_count, static_cast<uint32_t>(tokens.size() - 1));
  }
  work.token_count = count_scored_tokens(work.sequences);
  return work;
}

}  // namespace qload::qrun
