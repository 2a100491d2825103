// What becomes of each tensor: decided by names, types and shapes, before a weight is read.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "format/input/model_source.h"
#include "qload/result.h"
#include "tools/encode/output_tensor.h"
#include "tools/quantize/quantize_options.h"
#include "tools/quantize/weight_rows.h"

namespace qload::quantize {

enum class Treatment : uint8_t {
  kCopy,         ///< The bytes as they are.
  kConvert,      ///< To the plain floats of TensorPlan::dtype.
  kInt8Matrix,   ///< One scale.
  kInt8Rows,     ///< A scale for each row.
  kInt8Columns,  ///< A scale for each column.
  kBlocks,       ///< ggml's blocks of TensorPlan::dtype.
};

/// Where a matrix has its input channels: a Linear is [outputs, inputs], the Conv1D of GPT-2
/// [inputs, outputs].
enum class InputAxis : uint8_t { kColumns, kRows };

inline constexpr uint32_t kNoOutput = 0xFFFF'FFFF;

/// One tensor of the source. `weight` and what follows it are numbers of outputs.
struct TensorPlan {
  uint32_t source = 0;  ///< Its number in ModelSource::tensors().
  Treatment treatment = Treatment::kCopy;
  DType dtype = DType::kU8;  ///< Of what is written.
  uint64_t rows = 1;         ///< Of kCopy no matter.
  uint64_t columns = 0;
  bool is_embedding = false;  ///< Or output head: no linear whose inputs are smoothed.
  InputAxis input_axis = InputAxis::kColumns;
  WeightFactors factors;           ///< Of smoothing.
  std::vector<float> smooth;       ///< Factors of the input channels that are stored; or empty.
  std::vector<uint32_t> outliers;  ///< Input channels that stay F16, increasing.
  /// Rows of an attention head whose halves are interleaved in what is written (llama_gguf.h); 0:
  /// rows stay in their order.
  uint64_t head_rows = 0;
  uint32_t weight = kNoOutput;
  uint32_t scale_output = kNoOutput;
  uint32_t smooth_output = kNoOutput;
  uint32_t outlier_output = kNoOutput;
  uint32_t outlier_number_output = kNoOutput;

  bool is_quantized() const {
    return treatment != Treatment::kCopy && treatment != Treatment::kConvert;
  }
  uint64_t input_channels() const { return input_axis == InputAxis::kColumns ? columns : rows; }
  /// Rows of the matrix that are outlier channels; none when its columns are the channels.
  std::span<const uint32_t> outlier_rows() const {
    return input_axis == InputAxis::kRows ? std::span(outliers) : std::span<const uint32_t>();
  }
  /// The tensor as rows. Borrows this plan and `source`.
  WeightMatrix matrix(const ModelSource& model) const {
    return {&model.tensors()[source], rows, columns, &factors};
  }
};

/// Matrices with a dimension below this stay as they are: stacked vectors, gates and small heads,
/// where scales weigh much and the weights nothing.
inline constexpr uint64_t kDimensionMin = 16;

/// True for a model that comes as GGUF.
bool is_gguf(const ModelSource& model);

/// A plan for each tensor of `model`, in its order, before smoothing and outliers. kUnsupported
/// names a tensor that the output cannot hold.
Result<std::vector<TensorPlan>> plan_tensors(const ModelSource& model,
                                             const QuantizeOptions& options);

/// What is to be written, and its numbers into the plans: weights, then what stands beside them.
/// kInvalidArgument names a tensor of the source that has a name which a new one needs.
Result<std::vector<encode::OutputTensor>> list_outputs(const ModelSource& model,
                                                       std::span<TensorPlan> plans);

}  // namespace qload::quantize
