#include "tools/quantize/piece_encoder.h"

#include <algorithm>
#include <cmath>

#include "format/base/assert.h"
#include "format/base/bytes.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/encode/float_rows.h"
#include "tools/encode/ggml_quantizers.h"
#include "tools/encode/half_float.h"

namespace qload::quantize {
namespace {

constexpr size_t kHalfBytes = 2;

/// Outlier rows within `range`, as numbers into plan.outlier_rows().
struct OutlierRun {
  size_t first = 0;
  size_t count = 0;
};
OutlierRun find_outlier_rows(const TensorPlan& plan, RowRange range) {
  const auto rows = plan.outlier_rows();
  const auto begin = std::ranges::lower_bound(rows, range.first);
  const auto end = std::ranges::lower_bound(rows, range.end());
  return {static_cast<size_t>(begin - rows.begin()), static_cast<size_t>(end - begin)};
}

Error too_large_for_half(uint64_t row, uint64_t column) {
  return Error(ErrorCode::kUnsupported, text("the weight in row ", row, ", column ", column,
                                             " is too large for F16, which ends at 65504"));
}

bool fits_half(float value) { return std::isfinite(encode::float_of_half(encode::to_half(value))); }

Status convert(const TensorPlan& plan, RowRange range, std::span<const float> values,
               EncodedPiece& piece) {
  encode::encode_floats(plan.dtype, values, piece.weights);
  if (plan.dtype != DType::kF16) return Ok{};
  for (size_t i = 0; i < values.size(); ++i) {
    if (fits_half(values[i])) continue;
    return too_large_for_half(range.first + i / plan.columns, i % plan.columns);
  }
  return Ok{};
}

void append_half(std::vector<std::byte>& out, float value) {
  const uint16_t half = encode::to_half(value);
  out.resize(out.size() + kHalfBytes);
  store_le(out.data() + out.size() - kHalfBytes, half);
}

/// Moves the outliers of the piece to piece.outliers, and leaves zeros in piece.kept.
Status take_outliers(const TensorPlan& plan, RowRange range, std::span<const float> values,
                     EncodedPiece& piece) {
  piece.kept.assign(values.begin(), values.end());
  piece.outliers.clear();
  const auto take = [&](uint64_t row, uint64_t column) -> Status {
    float& weight = piece.kept[(row - range.first) * plan.columns + column];
    if (!fits_half(weight)) return too_large_for_half(row, column);
    append_half(piece.outliers, weight);
    weight = 0;
    return Ok{};
  };
  if (plan.input_axis == InputAxis::kRows) {
    const OutlierRun run = find_outlier_rows(plan, range);
    for (const uint32_t row : plan.outlier_rows().subspan(run.first, run.count)) {
      for (uint64_t column = 0; column < plan.columns; ++column) QLOAD_CHECK(take(row, column));
    }
    return Ok{};
  }
  for (uint64_t row = range.first; row < range.end(); ++row) {
    for (const uint32_t column : plan.outliers) QLOAD_CHECK(take(row, column));
  }
  return Ok{};
}

void encode_int8_rows(const TensorPlan& plan, const MatrixSteps& steps,
                      std::span<const float> values, EncodedPiece& piece) {
  piece.scales.clear();
  std::byte* out = piece.weights.data();
  for (; !values.empty(); values = values.subspan(plan.columns), out += plan.columns) {
    const std::span<const float> row = values.first(plan.columns);
    if (plan.treatment == Treatment::kInt8Columns) {
      encode::encode_int8(row, steps.column_factors, out);
    } else if (plan.treatment == Treatment::kInt8Matrix) {
      encode::encode_int8(row, steps.matrix.factor, out);
    } else {
      const encode::Int8Step step = encode::int8_step(encode::largest_magnitude(row));
      encode::encode_int8(row, step.factor, out);
      piece.scales.push_back(step.scale);
    }
  }
}

Status encode_blocks(const TensorPlan& plan, RowRange range, std::span<const float> values,
                     EncodedPiece& piece) {
  const DTypeInfo& type = *find_dtype(plan.dtype);
  std::span<std::byte> out = piece.weights;
  for (size_t i = 0; i < values.size(); i += type.block_elements) {
    const auto block = out.first(type.block_bytes);
    encode::quantize_block(plan.dtype, values.subspan(i, type.block_elements), block);
    // Both schemes begin with a scale, and it is the only half in the block.
    if (!std::isfinite(encode::float_of_half(load_le<uint16_t>(block.data())))) {
      return Error(ErrorCode::kUnsupported,
                   text("the block of 32 weights in row ", range.first + i / plan.columns,
                        ", from column ", i % plan.columns, ", has a scale too large for F16"));
    }
    out = out.subspan(type.block_bytes);
  }
  return Ok{};
}

void decode_block(DType dtype, std::span<const std::byte> block, std::span<float> values) {
  const float scale = encode::float_of_half(load_le<uint16_t>(block.data()));
  const auto quants = block.subspan(kHalfBytes);
  for (size_t i = 0; i < values.size(); ++i) {
    if (dtype == DType::kQ8_0) {
      values[i] = scale * static_cast<float>(static_cast<int8_t>(quants[i]));
    } else {
      const size_t half = values.size() / 2;
      const int pair = static_cast<int>(quants[i % half]);
      values[i] = scale * static_cast<float>((i < half ? pair & 15 : pair >> 4) - 8);
    }
  }
}

void decode_int8(const TensorPlan& plan, const MatrixSteps& steps, const EncodedPiece& piece,
                 std::span<float> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t column = i % plan.columns;
    float scale = steps.matrix.scale;
    if (plan.treatment == Treatment::kInt8Columns) scale = steps.column_scales[column];
    if (plan.treatment == Treatment::kInt8Rows) scale = piece.scales[i / plan.columns];
    values[i] = scale * static_cast<float>(static_cast<int8_t>(piece.weights[i]));
  }
}

void restore_outliers(const TensorPlan& plan, RowRange range, const EncodedPiece& piece,
                      std::span<float> values) {
  size_t next = 0;
  const auto restore = [&](uint64_t row, uint64_t column) {
    values[row * plan.columns + column] =
        encode::float_of_half(load_le<uint16_t>(piece.outliers.data() + kHalfBytes * next++));
  };
  if (plan.input_axis == InputAxis::kRows) {
    const OutlierRun run = find_outlier_rows(plan, range);
    for (const uint32_t row : plan.outlier_rows().subspan(run.first, run.count)) {
      for (uint64_t column = 0; column < plan.columns; ++column) restore(row - range.first, column);
    }
    return;
  }
  for (uint64_t row = 0; row < range.count; ++row) {
    for (const uint32_t column : plan.outliers) restore(row, column);
  }
}

}  // namespace

MatrixSteps make_steps(Treatment treatment, std::span<const float> maxima) {
  MatrixSteps steps;
  if (treatment == Treatment::kInt8Matrix) steps.matrix = encode::int8_step(maxima[0]);
  if (treatment == Treatment::kInt8Columns) {
    for (const float maximum : maxima) {
      const encode::Int8Step step = encode::int8_step(maximum);
      steps.column_factors.push_back(step.factor);
      steps.column_scales.push_back(step.scale);
    }
  }
  return steps;
}

Status encode_piece(const TensorPlan& plan, const MatrixSteps& steps, RowRange range,
                    std::span<const float> values, EncodedPiece& piece) {
  QLOAD_ASSERT(plan.treatment != Treatment::kCopy);
  const DTypeInfo& type = *find_dtype(plan.dtype);
  piece.weights.resize(values.size() / type.block_elements * type.block_bytes);
  if (plan.treatment == Treatment::kConvert) return convert(plan, range, values, piece);
  if (plan.treatment == Treatment::kBlocks) return encode_blocks(plan, range, values, piece);
  if (plan.outliers.empty()) {
    encode_int8_rows(plan, steps, values, piece);
    return Ok{};
  }
  QLOAD_CHECK(take_outliers(plan, range, values, piece));
  encode_int8_rows(plan, steps, piece.kept, piece);
  return Ok{};
}

void decode_piece(const TensorPlan& plan, const MatrixSteps& steps, RowRange range,
                  const EncodedPiece& piece, std::span<float> values) {
  if (plan.treatment == Treatment::kConvert) {
    encode::decode_floats(plan.dtype, piece.weights, values);
  } else if (plan.treatment == Treatment::kBlocks) {
    const DTypeInfo& type = *find_dtype(plan.dtype);
    std::span<const std::byte> blocks = piece.weights;
    for (; !values.empty(); values = values.subspan(type.block_elements)) {
      decode_block(plan.dtype, blocks.first(type.block_bytes), values.first(type.block_elements));
      blocks = blocks.subspan(type.block_bytes);
    }
  } else {
    decode_int8(plan, steps, piece, values);
    restore_outliers(plan, range, piece, values);
  }
}

}  // namespace qload::quantize
