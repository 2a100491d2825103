#include "tools/qrun/step_weights.h"

#include <algorithm>

#include "format/base/try.h"
#include "tools/qrun/decode_row.h"

namespace qload::qrun {
namespace {

size_t floats_of_layer(const LayerRoles& layer) {
  size_t count = layer.attention_norm.size + layer.feed_forward_norm.size;
  for (const MatrixRole* matrix : {&layer.query, &layer.key, &layer.value, &layer.attention_output,
                                   &layer.gate, &layer.up, &layer.down}) {
    count += matrix->scale_count;
  }
  return count;
}

size_t floats_of_step_max(const WeightPlan& plan) {
  size_t count =
      std::max<size_t>(plan.embedding.scale_count, plan.final_norm.size + plan.output.scale_count);
  for (const LayerRoles& layer : plan.layers) count = std::max(count, floats_of_layer(layer));
  return count;
}

}  // namespace

StepWeights::StepWeights(const WeightPlan& plan, WeightSource& source)
    : source_(source), floats_(floats_of_step_max(plan)) {}

StepWeights::~StepWeights() { end(); }

Status StepWeights::begin(uint32_t step) {
  end();
  QLOAD_TRY(tensors_, source_.begin_step(step));
  open_ = true;
  floats_taken_ = 0;
  return Ok{};
}

void StepWeights::end() {
  if (open_) source_.end_step();
  open_ = false;
}

std::span<float> StepWeights::take_floats(size_t count) {
  const auto taken = std::span(floats_).subspan(floats_taken_, count);
  floats_taken_ += count;
  return taken;
}

std::span<const float> StepWeights::vector(const VectorRole& role) {
  const std::span<float> values = take_floats(role.size);
  decode_row(role.dtype, tensors_[role.slot].data, values);
  return values;
}

Matrix StepWeights::matrix(const MatrixRole& role) {
  Matrix out{.dtype = role.dtype,
             .rows = role.rows,
             .columns = role.columns,
             .row_bytes = role.row_bytes,
             .data = tensors_[role.slot].data,
             .strips = tensors_[role.slot].strips};
  if (role.scale_slot != kNoSlot) {
    const std::span<float> scales = take_floats(role.scale_count);
    decode_row(DType::kF32, tensors_[role.scale_slot].data, scales);
    out.scales = scales;
  }
  return out;
}

}  // namespace qload::qrun
