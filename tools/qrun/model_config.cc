#include "tools/qrun/model_config.h"

#include <cmath>

#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::qrun {
namespace {

// Four times what the largest models have, and more: layers 126, hidden 16384, feed forward 53248,
// heads 128, vocabulary 256K, context 10M (Llama 3.1 405B, Llama 4, Gemma). All products of them
// that the engine forms fit 64 bits.
constexpr uint32_t kLayersMax = 1u << 12;
constexpr uint32_t kWidthMax = 1u << 20;
constexpr uint32_t kHeadsMax = 1u << 14;
constexpr uint32_t kHeadSizeMax = 1u << 14;
constexpr uint32_t kVocabularyMax = 1u << 24;
constexpr uint32_t kContextMax = 1u << 26;

Status check_range(std::string_view field, uint32_t value, uint32_t value_max) {
  if (value >= 1 && value <= value_max) return Ok{};
  return Error(ErrorCode::kCorrupt, text("the model's ", field, " is ", value,
                                         ", expected a number in [1, ", value_max, "]"));
}

}  // namespace

Status check_config(const ModelConfig& c) {
  QLOAD_CHECK(check_range("number of layers", c.layer_count, kLayersMax));
  QLOAD_CHECK(check_range("hidden size", c.hidden_size, kWidthMax));
  QLOAD_CHECK(check_range("feed-forward size", c.feed_forward_size, kWidthMax));
  QLOAD_CHECK(check_range("number of heads", c.head_count, kHeadsMax));
  QLOAD_CHECK(check_range("number of key-value heads", c.key_value_head_count, kHeadsMax));
  QLOAD_CHECK(check_range("head size", c.head_size, kHeadSizeMax));
  QLOAD_CHECK(check_range("vocabulary size", c.vocabulary_size, kVocabularyMax));
  QLOAD_CHECK(check_range("context length", c.context_length, kContextMax));
  if (c.head_count % c.key_value_head_count != 0) {
    return Error(ErrorCode::kCorrupt,
                 text("the model's ", c.head_count, " heads are not a multiple of its ",
                      c.key_value_head_count, " key-value heads"));
  }
  if (c.head_size % 2 != 0) {
    return Error(ErrorCode::kCorrupt,
                 text("the model's head size is ", c.head_size, ", expected an even number"));
  }
  if (!(c.norm_epsilon > 0 && c.norm_epsilon < 1)) {
    return Error(ErrorCode::kCorrupt,
                 text("the model's epsilon of norms is ", std::to_string(c.norm_epsilon),
                      ", expected a number between 0 and 1"));
  }
  if (!(c.rope_base > 0 && std::isfinite(c.rope_base))) {
    return Error(ErrorCode::kCorrupt,
                 text("the model's base of rotary frequencies is ", std::to_string(c.rope_base),
                      ", expected a number above 0"));
  }
  for (const uint32_t token : c.end_tokens) {
    if (token < c.vocabulary_size) continue;
    return Error(ErrorCode::kCorrupt, text("the model's end token is ", token,
                                           ", its vocabulary has ", c.vocabulary_size, " tokens"));
  }
  if (c.begin_token.value_or(0) >= c.vocabulary_size) {
    return Error(ErrorCode::kCorrupt, text("the model's begin token is ", *c.begin_token,
                                           ", its vocabulary has ", c.vocabulary_size, " tokens"));
  }
  return Ok{};
}

}  // namespace qload::qrun
