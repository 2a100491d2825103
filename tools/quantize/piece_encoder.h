// Floats of a few rows to the bytes of their treatment, and back for measuring.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "qload/result.h"
#include "tools/encode/int8_rows.h"
#include "tools/quantize/tensor_plan.h"

namespace qload::quantize {

/// What has to be known of a whole matrix before a part of it can be encoded.
struct MatrixSteps {
  encode::Int8Step matrix;            ///< Of kInt8Matrix.
  std::vector<float> column_factors;  ///< Of kInt8Columns.
  std::vector<float> column_scales;
};

/// The steps for the largest absolute values of the matrix (one) or its columns; none for the
/// treatments that need none.
MatrixSteps make_steps(Treatment treatment, std::span<const float> maxima);

/// Some rows, encoded. Reused from piece to piece.
struct EncodedPiece {
  std::vector<std::byte> weights;
  std::vector<float> scales;  ///< Of kInt8Rows, one for each row.
  std::vector<std::byte>
      outliers;             ///< F16; of each row its outlier columns, or whole outlier rows.
  std::vector<float> kept;  ///< Scratch: the weights without outliers.
};

/// Encodes `values`, the rows `range` of the matrix of `plan`; not for kCopy. kUnsupported names
/// the row and column of a weight that is too large for F16, where it has to become that.
Status encode_piece(const TensorPlan& plan, const MatrixSteps& steps, RowRange range,
                    std::span<const float> values, EncodedPiece& piece);

/// What an engine makes of the piece: the weights, multiplied by smoothing's factors as they were.
void decode_piece(const TensorPlan& plan, const MatrixSteps& steps, RowRange range,
                  const EncodedPiece& piece, std::span<float> values);

}  // namespace qload::quantize
