#include "tools/qrun/step_weights.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "format/base/bytes.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/qrun/decode_row.h"

namespace qload::qrun {
namespace {

/// Numbers that the views of a step take.
struct StepNeeds {
  size_t float_count = 0;
  size_t outlier_column_count = 0;

  void add(const VectorRole& vector) { float_count += vector.size; }
  void add(const MatrixRole& matrix) {
    float_count += matrix.scale_count() + (matrix.has_input_factors() ? matrix.columns : 0);
    outlier_column_count += matrix.outlier_count;
  }
  void raise_to(const StepNeeds& other) {
    float_count = std::max(float_count, other.float_count);
    outlier_column_count = std::max(outlier_column_count, other.outlier_column_count);
  }
};

StepNeeds largest_needs(const WeightPlan& plan) {
  StepNeeds largest;
  largest.add(plan.embedding);
  for (const LayerRoles& layer : plan.layers) {
    StepNeeds needs;
    needs.add(layer.attention_norm);
    needs.add(layer.feed_forward_norm);
    for (const MatrixRole* matrix : layer.matrices()) needs.add(*matrix);
    largest.raise_to(needs);
  }
  StepNeeds output;
  output.add(plan.final_norm);
  output.add(plan.output);
  largest.raise_to(output);
  return largest;
}

Error wrong_number(const MatrixRole& role, std::string_view suffix, size_t element,
                   std::string_view found, std::string_view expected) {
  return Error(ErrorCode::kCorrupt, text("tensor ", quote(text(role.name, suffix)), " has ", found,
                                         " at element ", element, ", expected ", expected));
}

}  // namespace

StepWeights::StepWeights(const WeightPlan& plan, WeightSource& source) : source_(source) {
  const StepNeeds needs = largest_needs(plan);
  floats_.resize(needs.float_count);
  columns_.resize(needs.outlier_column_count);
}

StepWeights::~StepWeights() { end(); }

Status StepWeights::begin(uint32_t step) {
  end();
  QLOAD_TRY(tensors_, source_.begin_step(step));
  open_ = true;
  floats_taken_ = 0;
  columns_taken_ = 0;
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

Result<Matrix> StepWeights::matrix(const MatrixRole& role) {
  Matrix out{.dtype = role.dtype,
             .rows = role.rows,
             .columns = role.columns,
             .row_bytes = role.row_bytes,
             .data = tensors_[role.slot].data,
             .strips = tensors_[role.slot].strips};
  if (role.scale_count() > 0) {
    const std::span<float> scales = take_floats(role.scale_count());
    decode_row(DType::kF32, tensors_[role.scale_slot].data, scales);
    out.scales = scales;
  }
  if (role.has_input_factors()) {
    QLOAD_TRY(out.input_factors, input_factors(role));
  }
  if (role.outlier_count > 0) {
    QLOAD_TRY(out.outliers, outliers(role));
  }
  return out;
}

/// Of x' = x / smooth * scale.
Result<std::span<const float>> StepWeights::input_factors(const MatrixRole& role) {
  const std::span<float> factors = take_floats(role.columns);
  if (role.scale_axis == ScaleAxis::kColumns) {
    decode_row(DType::kF32, tensors_[role.scale_slot].data, factors);
  } else {
    std::ranges::fill(factors, 1.0f);
  }
  if (role.smooth_slot == kNoSlot) return std::span<const float>(factors);
  const std::byte* smooth = tensors_[role.smooth_slot].data.data();
  for (size_t i = 0; i < factors.size(); ++i) {
    const float divisor = load_le<float>(smooth + i * sizeof(float));
    if (!(divisor > 0) || std::isinf(divisor)) {
      return wrong_number(role, "_smooth", i, std::to_string(divisor), "a finite number above 0");
    }
    factors[i] /= divisor;
  }
  return std::span<const float>(factors);
}

Result<OutlierColumns> StepWeights::outliers(const MatrixRole& role) {
  const auto columns = std::span(columns_).subspan(columns_taken_, role.outlier_count);
  columns_taken_ += columns.size();
  const std::byte* numbers = tensors_[role.outlier_columns_slot].data.data();
  int64_t least = 0;
  for (size_t i = 0; i < columns.size(); ++i) {
    const auto column = load_le<int32_t>(numbers + i * sizeof(int32_t));
    if (column < least || static_cast<uint64_t>(column) >= role.columns) {
      return wrong_number(role, "_outlier_columns", i, std::to_string(column),
                          text("increasing columns in [0, ", role.columns, ")"));
    }
    columns[i] = static_cast<uint32_t>(column);
    least = int64_t{column} + 1;
  }
  return OutlierColumns{columns, tensors_[role.outlier_slot].data.data()};
}

}  // namespace qload::qrun
