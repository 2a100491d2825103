#include "tools/qrun/transformer.h"

#include <algorithm>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/qrun/decode_row.h"
#include "tools/qrun/vector_math.h"

namespace qload::qrun {

Transformer::Transformer(const ModelConfig& config, const WeightPlan& plan, WeightSource& source,
                         ThreadTeam& team, const RowKernels& kernels, uint32_t position_count)
    : config_(config),
      plan_(plan),
      team_(team),
      kernels_(kernels),
      weights_(plan, source),
      cache_(config, position_count),
      attention_(config, team, kernels, cache_),
      rope_(config.rope_layout, config.head_size, config.rope_base),
      logits_(config.vocabulary_size) {
  const size_t batch = std::min(kBatchMax, position_count);
  for (Buffer* buffer : {&hidden_, &normed_, &projected_})
    buffer->resize(batch, config.hidden_size);
  for (Buffer* buffer : {&query_, &attended_}) buffer->resize(batch, config.query_size());
  for (Buffer* buffer : {&key_, &value_}) buffer->resize(batch, config.key_value_size());
  for (Buffer* buffer : {&gate_, &up_}) buffer->resize(batch, config.feed_forward_size);
}

uint64_t Transformer::memory_bytes(const ModelConfig& config, uint32_t position_count) {
  const uint64_t cached = 2 * config.layer_count * config.key_value_size();
  const uint64_t activations = 3 * uint64_t{config.hidden_size} + 2 * config.query_size() +
                               2 * config.key_value_size() + 2 * uint64_t{config.feed_forward_size};
  const uint64_t batch = std::min(kBatchMax, position_count);
  return sizeof(float) * (position_count * cached + batch * activations + config.vocabulary_size);
}

Result<std::span<const float>> Transformer::forward(std::span<const uint32_t> tokens) {
  QLOAD_CHECK(check_tokens(tokens));
  while (!tokens.empty()) {
    const size_t count = std::min<size_t>(tokens.size(), kBatchMax);
    QLOAD_CHECK(run_pass(tokens.first(count)));
    tokens = tokens.subspan(count);
  }
  return std::span<const float>(logits_);
}

Status Transformer::check_tokens(std::span<const uint32_t> tokens) const {
  const uint32_t room = cache_.position_count() - position_;
  if (tokens.empty() || tokens.size() > room) {
    return Error(ErrorCode::kInvalidArgument,
                 text(tokens.size(), " tokens at position ", position_, ", expected 1 to ", room));
  }
  for (const uint32_t token : tokens) {
    if (token < config_.vocabulary_size) continue;
    return Error(ErrorCode::kInvalidArgument,
                 text("token ", token, " is not in the vocabulary of ", config_.vocabulary_size));
  }
  return Ok{};
}

Status Transformer::run_pass(std::span<const uint32_t> tokens) {
  QLOAD_CHECK(weights_.begin(0));
  QLOAD_CHECK(embed(tokens));
  for (uint32_t layer = 0; layer < config_.layer_count; ++layer) {
    QLOAD_CHECK(weights_.begin(layer + 1));
    QLOAD_CHECK(run_layer(layer, tokens.size()));
  }
  QLOAD_CHECK(weights_.begin(plan_.step_count() - 1));
  QLOAD_CHECK(compute_logits(tokens.size()));
  weights_.end();
  position_ += static_cast<uint32_t>(tokens.size());
  ++pass_count_;
  return Ok{};
}

Status Transformer::embed(std::span<const uint32_t> tokens) {
  const Matrix embedding = weights_.matrix(plan_.embedding);
  for (size_t i = 0; i < tokens.size(); ++i) {
    RowStrip strip{embedding.data.data() + tokens[i] * embedding.row_bytes, tokens[i], 1};
    if (embedding.strips != nullptr) {
      QLOAD_CHECK(embedding.strips->seek(0, tokens[i]));
      QLOAD_TRY(strip, embedding.strips->next_rows(0, 1));
    }
    const std::span<float> hidden = hidden_.vector(i);
    decode_row(embedding.dtype, {strip.data, embedding.row_bytes}, hidden);
    const float scale = embedding.scale_of(tokens[i]);
    for (float& value : hidden) value *= scale;
  }
  return Ok{};
}

void Transformer::normalise(const VectorRole& gain, size_t count) {
  const std::span<const float> gains = weights_.vector(gain);
  for (size_t i = 0; i < count; ++i) {
    rms_norm(hidden_.vector(i), gains, config_.norm_epsilon, normed_.vector(i));
  }
}

Status Transformer::run_layer(uint32_t layer, size_t count) {
  QLOAD_CHECK(attend(layer, count));
  return feed_forward(layer, count);
}

Status Transformer::attend(uint32_t layer, size_t count) {
  const LayerRoles& roles = plan_.layers[layer];
  normalise(roles.attention_norm, count);
  const Batch<const float> normed = normed_.in(count);
  const Product inputs[] = {
      {weights_.matrix(roles.query), normed, query_.out(count)},
      {weights_.matrix(roles.key), normed, key_.out(count)},
      {weights_.matrix(roles.value), normed, value_.out(count)},
  };
  QLOAD_CHECK(multiply(team_, kernels_, inputs));
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t position = position_ + i;
    rope_.rotate(query_.vector(i), position);
    rope_.rotate(key_.vector(i), position);
    std::ranges::copy(key_.vector(i), cache_.key(layer, position).begin());
    std::ranges::copy(value_.vector(i), cache_.value(layer, position).begin());
  }
  attention_.compute(layer, position_, query_.in(count), attended_.out(count));
  const Product output[] = {
      {weights_.matrix(roles.attention_output), attended_.in(count), projected_.out(count)}};
  QLOAD_CHECK(multiply(team_, kernels_, output));
  for (size_t i = 0; i < count; ++i) add(hidden_.vector(i), projected_.vector(i));
  return Ok{};
}

Status Transformer::feed_forward(uint32_t layer, size_t count) {
  const LayerRoles& roles = plan_.layers[layer];
  normalise(roles.feed_forward_norm, count);
  const Batch<const float> normed = normed_.in(count);
  const Product inputs[] = {
      {weights_.matrix(roles.gate), normed, gate_.out(count)},
      {weights_.matrix(roles.up), normed, up_.out(count)},
  };
  QLOAD_CHECK(multiply(team_, kernels_, inputs));
  for (size_t i = 0; i < count; ++i) silu_multiply(gate_.vector(i), up_.vector(i));
  const Product output[] = {{weights_.matrix(roles.down), gate_.in(count), projected_.out(count)}};
  QLOAD_CHECK(multiply(team_, kernels_, output));
  for (size_t i = 0; i < count; ++i) add(hidden_.vector(i), projected_.vector(i));
  return Ok{};
}

/// Of the last token only: nobody asks for the others'.
Status Transformer::compute_logits(size_t count) {
  const std::span<float> normed = normed_.vector(0);
  rms_norm(hidden_.vector(count - 1), weights_.vector(plan_.final_norm), config_.norm_epsilon,
           normed);
  const Product output[] = {{weights_.matrix(plan_.output),
                             {normed.data(), 1, normed.size()},
                             {logits_.data(), 1, logits_.size()}}};
  return multiply(team_, kernels_, output);
}

}  // namespace qload::qrun
