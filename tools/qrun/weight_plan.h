// WeightPlan: which tensor plays which part in a Llama model, and in which step of a token.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "qload/result.h"
#include "qload/tensor.h"
#include "tools/qrun/model_config.h"
#include "tools/qrun/model_file.h"

namespace qload::qrun {

inline constexpr uint32_t kNoSlot = 0xFFFF'FFFF;

/// A vector of `size` elements: slot `slot` of its step.
struct VectorRole {
  uint32_t slot = kNoSlot;
  DType dtype = DType::kF32;
  uint64_t size = 0;
};

/// What the scales of a matrix of I8 belong to.
enum class ScaleAxis : uint8_t { kNone, kMatrix, kRows, kColumns };

/// A matrix: slot `slot` of its step; what quantization stores beside it (docs/integration.md,
/// "Quantized models") in other slots, kNoSlot where there is none.
struct MatrixRole {
  std::string name;    ///< The tensor's.
  std::string module;  ///< Of a linear: its name in transformers, "model.layers.0.mlp.up_proj".
  uint32_t slot = kNoSlot;
  DType dtype = DType::kF32;
  uint64_t rows = 0;
  uint64_t columns = 0;
  uint64_t row_bytes = 0;
  uint32_t scale_slot = kNoSlot;  ///< F32.
  ScaleAxis scale_axis = ScaleAxis::kNone;
  uint32_t smooth_slot = kNoSlot;           ///< F32, one for each column.
  uint32_t outlier_slot = kNoSlot;          ///< F16, outlier_count for each row.
  uint32_t outlier_columns_slot = kNoSlot;  ///< I32, outlier_count.
  uint64_t outlier_count = 0;

  /// Scales that results are multiplied by: 0, 1 or rows.
  uint64_t scale_count() const {
    if (scale_axis == ScaleAxis::kRows) return rows;
    return scale_axis == ScaleAxis::kMatrix ? 1 : 0;
  }
  /// Inputs are multiplied by factors, one for each column.
  bool has_input_factors() const {
    return smooth_slot != kNoSlot || scale_axis == ScaleAxis::kColumns;
  }
};

struct LayerRoles {
  VectorRole attention_norm;
  MatrixRole query;
  MatrixRole key;
  MatrixRole value;
  MatrixRole attention_output;
  VectorRole feed_forward_norm;
  MatrixRole gate;
  MatrixRole up;
  MatrixRole down;

  /// In the order in which a token needs them.
  std::array<const MatrixRole*, 7> matrices() const {
    return {&query, &key, &value, &attention_output, &gate, &up, &down};
  }
};

/// A pass over the model is one step for the embedding, one for each layer, one for final norm and
/// output. `steps[s]` lists the tensors of step s, by number in ModelFile::tensors(); a role's slot
/// is a place in that list. A tied embedding is in the first step and in the last.
struct WeightPlan {
  std::vector<std::vector<uint32_t>> steps;
  MatrixRole embedding;
  std::vector<LayerRoles> layers;
  VectorRole final_norm;
  MatrixRole output;

  uint32_t step_count() const { return static_cast<uint32_t>(steps.size()); }
};

/// Proves that `tensors` are exactly those of the model that `config` describes: types, shapes and
/// sizes. kNotFound for a tensor that is absent; kCorrupt for a shape or size; kUnsupported for a
/// type that the engine does not know, and for tensors that are no part of a Llama model (biases,
/// experts), which it would have to compute. What numbers tensors hold is StepWeights' to check.
Result<WeightPlan> plan_weights(std::span<const ModelTensor> tensors, const ModelConfig& config);

/// Which of `tensor_count` tensors are matrices of the plan; the others are norms, what
/// quantization stores beside matrices, and what nobody needs.
std::vector<bool> mark_matrices(const WeightPlan& plan, size_t tensor_count);

}  // namespace qload::qrun
