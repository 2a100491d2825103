#include "tools/qrun/transformer.h"

#include <algorithm>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/qrun/matrix_row.h"
#include "tools/qrun/vector_math.h"

namespace qload::qrun {

namespace {

size_t batch_of(const TransformerOptions& options) {
  return std::min(Transformer::kBatchMax, options.position_count);
}

}  // namespace

Transformer::Transformer(const ModelConfig& config, const WeightPlan& plan, WeightSource& source,
                         ThreadTeam& team, const RowKernels& kernels,
                         const TransformerOptions& options)
    : config_(config),
      plan_(plan),
      team_(team),
      kernels_(kernels),
      options_(options),
      weights_(plan, source),
      cache_(config, options.position_count),
      attention_(config, team, kernels, cache_),
      rope_(config.rope_layout, config.head_size, config.rope_base),
      inputs_(plan, options.activations, batch_of(options)) {
  const size_t batch = batch_of(options);
  for (Buffer* buffer : {&hidden_, &normed_, &projected_})
    buffer->resize(batch, config.hidden_size);
  for (Buffer* buffer : {&query_, &attended_}) buffer->resize(batch, config.query_size());
  for (Buffer* buffer : {&key_, &value_}) buffer->resize(batch, config.key_value_size());
  for (Buffer* buffer : {&gate_, &up_}) buffer->resize(batch, config.feed_forward_size);
  logits_.resize(options.all_logits ? batch : 1, config.vocabulary_size);
}

uint64_t Transformer::memory_bytes(const ModelConfig& config, const WeightPlan& plan,
                                   const TransformerOptions& options) {
  const uint64_t cached = 2 * config.layer_count * config.key_value_size();
  const uint64_t activations = 3 * uint64_t{config.hidden_size} + 2 * config.query_size() +
                               2 * config.key_value_size() + 2 * uint64_t{config.feed_forward_size};
  const uint64_t batch = batch_of(options);
  const uint64_t logits = (options.all_logits ? batch : 1) * config.vocabulary_size;
  return sizeof(float) * (options.position_count * cached + batch * activations + logits) +
         LinearInputs::memory_bytes(plan, options.activations, batch);
}

Result<std::span<const float>> Transformer::forward(std::span<const uint32_t> tokens) {
  QLOAD_CHECK(check_tokens(tokens));
  while (!tokens.empty()) {
    const size_t count = std::min<size_t>(tokens.size(), kBatchMax);
    QLOAD_CHECK(run_pass(tokens.first(count), 1));
    tokens = tokens.subspan(count);
  }
  return std::span<const float>(logits_.vector(0));
}

Result<Batch<const float>> Transformer::forward_all(std::span<const uint32_t> tokens) {
  QLOAD_CHECK(check_tokens(tokens));
  QLOAD_CHECK(run_pass(tokens, tokens.size()));
  return logits_.in(tokens.size());
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

Status Transformer::run_pass(std::span<const uint32_t> tokens, size_t logits_count) {
  QLOAD_CHECK(weights_.begin(0));
  QLOAD_CHECK(embed(tokens));
  for (uint32_t layer = 0; layer < config_.layer_count; ++layer) {
    QLOAD_CHECK(weights_.begin(layer + 1));
    QLOAD_CHECK(run_layer(layer, tokens.size()));
  }
  QLOAD_CHECK(weights_.begin(plan_.step_count() - 1));
  QLOAD_CHECK(compute_logits(tokens.size(), logits_count));
  weights_.end();
  position_ += static_cast<uint32_t>(tokens.size());
  token_count_ += tokens.size();
  ++pass_count_;
  return Ok{};
}

Status Transformer::embed(std::span<const uint32_t> tokens) {
  QLOAD_TRY(const Matrix embedding, weights_.matrix(plan_.embedding));
  for (size_t i = 0; i < tokens.size(); ++i) {
    RowStrip strip{nullptr, tokens[i], 1};
    if (embedding.strips != nullptr) {
      QLOAD_CHECK(embedding.strips->seek(0, tokens[i]));
      QLOAD_TRY(strip, embedding.strips->next_rows(0, 1));
    } else {
      strip.data = embedding.data.data() + tokens[i] * embedding.row_bytes;
    }
    decode_matrix_row(embedding, tokens[i], strip.data, hidden_.vector(i));
  }
  return Ok{};
}

void Transformer::normalise(const VectorRole& gain, size_t first, size_t end) {
  const std::span<const float> gains = weights_.vector(gain);
  for (size_t i = first; i < end; ++i) {
    rms_norm(hidden_.vector(i), gains, config_.norm_epsilon, normed_.vector(i));
  }
}

void Transformer::record(const MatrixRole& role, Batch<const float> in) {
  if (options_.recorder != nullptr) options_.recorder->record(role, token_count_, in);
}

Status Transformer::run_linears(std::span<const Linear> linears) {
  for (const Linear& linear : linears) record(linear.role, linear.in);
  return multiply_linears(linears);
}

Status Transformer::multiply_linears(std::span<const Linear> linears) {
  std::vector<Product> products;
  inputs_.begin_round();
  for (const Linear& linear : linears) {
    QLOAD_TRY(const Matrix matrix, weights_.matrix(linear.role));
    products.push_back(inputs_.prepare(matrix, linear.in, linear.out));
  }
  return multiply(team_, kernels_, products);
}

Status Transformer::run_layer(uint32_t layer, size_t count) {
  QLOAD_CHECK(attend(layer, count));
  return feed_forward(layer, count);
}

Status Transformer::attend(uint32_t layer, size_t count) {
  const LayerRoles& roles = plan_.layers[layer];
  normalise(roles.attention_norm, 0, count);
  const Batch<const float> normed = normed_.in(count);
  const Linear inputs[] = {
      {roles.query, normed, query_.out(count)},
      {roles.key, normed, key_.out(count)},
      {roles.value, normed, value_.out(count)},
  };
  QLOAD_CHECK(run_linears(inputs));
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t position = position_ + i;
    rope_.rotate(query_.vector(i), position);
    rope_.rotate(key_.vector(i), position);
    std::ranges::copy(key_.vector(i), cache_.key(layer, position).begin());
    std::ranges::copy(value_.vector(i), cache_.value(layer, position).begin());
  }
  attention_.compute(layer, position_, query_.in(count), attended_.out(count));
  const Linear output[] = {{roles.attention_output, attended_.in(count), projected_.out(count)}};
  QLOAD_CHECK(run_linears(output));
  for (size_t i = 0; i < count; ++i) add(hidden_.vector(i), projected_.vector(i));
  return Ok{};
}

Status Transformer::feed_forward(uint32_t layer, size_t count) {
  const LayerRoles& roles = plan_.layers[layer];
  normalise(roles.feed_forward_norm, 0, count);
  const Batch<const float> normed = normed_.in(count);
  const Linear inputs[] = {
      {roles.gate, normed, gate_.out(count)},
      {roles.up, normed, up_.out(count)},
  };
  QLOAD_CHECK(run_linears(inputs));
  for (size_t i = 0; i < count; ++i) silu_multiply(gate_.vector(i), up_.vector(i));
  const Linear output[] = {{roles.down, gate_.in(count), projected_.out(count)}};
  QLOAD_CHECK(run_linears(output));
  for (size_t i = 0; i < count; ++i) add(hidden_.vector(i), projected_.vector(i));
  return Ok{};
}

/// The other tokens' logits nobody asks for; a recorder sees the inputs of all.
Status Transformer::compute_logits(size_t count, size_t logits_count) {
  const size_t first = count - logits_count;
  normalise(plan_.final_norm, options_.recorder != nullptr ? 0 : first, count);
  record(plan_.output, normed_.in(count));
  const Linear output[] = {
      {plan_.output, normed_.in(logits_count, first), logits_.out(logits_count)}};
  return multiply_linears(output);
}

}  // namespace qload::qrun
