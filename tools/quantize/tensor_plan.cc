#include "tools/quantize/tensor_plan.h"

#include <algorithm>
#include <unordered_set>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/pack/tensor_role.h"
#include "tools/encode/float_rows.h"
#include "tools/encode/gguf_header.h"
#include "tools/quantize/model_layers.h"

namespace qload::quantize {
namespace {

// ggml.h, GGML_MAX_DIMS.
constexpr size_t kGgufRankMax = 4;

Error unsupported(std::string message) {
  return Error(ErrorCode::kUnsupported, std::move(message));
}

/// A matrix worth quantizing.
bool is_wide_matrix(const SourceTensor& tensor) {
  return encode::is_plain_float(tensor.dtype) && tensor.shape.size() == 2 &&
         std::ranges::min(tensor.shape) >= kDimensionMin;
}

Treatment treatment_of(const TensorPlan& plan, const QuantizeOptions& options) {
  switch (options.scheme) {
    case Scheme::kTensor:
    case Scheme::kSmoothQuant:
      return Treatment::kInt8Matrix;
    case Scheme::kChannel:
      return options.axis == ChannelAxis::kRow ? Treatment::kInt8Rows : Treatment::kInt8Columns;
    case Scheme::kLlmInt8:
      // A scale for each output channel, which is what lies across the input's.
      return plan.input_axis == InputAxis::kColumns ? Treatment::kInt8Rows
                                                    : Treatment::kInt8Columns;
    case Scheme::kQ8_0:
    case Scheme::kQ4_0:
      return Treatment::kBlocks;
  }
  return Treatment::kCopy;
}

void plan_matrix(const QuantizeOptions& options, TensorPlan& plan) {
  plan.treatment = treatment_of(plan, options);
  plan.dtype = DType::kI8;
  if (plan.treatment != Treatment::kBlocks) return;
  plan.dtype = options.scheme == Scheme::kQ8_0 ? DType::kQ8_0 : DType::kQ4_0;
  if (plan.columns % find_dtype(plan.dtype)->block_elements == 0) return;
  // As llama.cpp does with rows that are not whole blocks.
  plan.treatment = Treatment::kConvert;
  plan.dtype = DType::kF16;
}

/// A tensor that is not quantized, in a GGUF file. Engines want vectors as F32.
void keep_in_gguf(const ModelSource& model, const SourceTensor& tensor, TensorPlan& plan) {
  if (is_gguf(model) || plan.is_embedding || !encode::is_plain_float(tensor.dtype)) return;
  plan.treatment = Treatment::kConvert;
  plan.dtype = DType::kF32;
}

Status check_fits_gguf(const SourceTensor& tensor) {
  if (tensor.shape.size() > kGgufRankMax) {
    return unsupported(text("tensor ", quote(tensor.name), " has ", tensor.shape.size(),
                            " dimensions, GGUF has at most ", kGgufRankMax));
  }
  if (!encode::ggml_number(tensor.dtype) && tensor.dtype != DType::kBF16) {
    return unsupported(text("tensor ", quote(tensor.name), " is ", find_dtype(tensor.dtype)->name,
                            ", a type that GGUF does not have"));
  }
  return Ok{};
}

Status check_row(const SourceTensor& tensor, const TensorPlan& plan) {
  if (plan.treatment == Treatment::kCopy || plan.columns <= kRowElementsMax) return Ok{};
  return unsupported(text("tensor ", quote(tensor.name), " has rows of ", plan.columns,
                          " elements, expected at most ", kRowElementsMax));
}

uint64_t weight_bytes(const SourceTensor& tensor, const TensorPlan& plan) {
  if (plan.treatment == Treatment::kCopy) return tensor.bytes;
  const DTypeInfo& type = *find_dtype(plan.dtype);
  return plan.rows * (plan.columns / type.block_elements) * type.block_bytes;
}

/// Lists the outputs that stand beside weights.
class OutputList {
 public:
  explicit OutputList(std::vector<encode::OutputTensor>& outputs) : outputs_(outputs) {
    for (const encode::OutputTensor& output : outputs) names_.insert(output.name);
  }

  /// Adds `name`; its number goes to `number`.
  Status add(std::string name, DType dtype, std::vector<uint64_t> shape, uint32_t& number) {
    if (!names_.insert(name).second) {
      return Error(ErrorCode::kInvalidArgument,
                   text("the model has a tensor ", quote(name),
                        " already, whose name quantizing needs: is it quantized already?"));
    }
    uint64_t bytes = find_dtype(dtype)->block_bytes;
    for (const uint64_t size : shape) bytes *= size;
    number = static_cast<uint32_t>(outputs_.size());
    outputs_.push_back(
        {.name = std::move(name), .dtype = dtype, .shape = std::move(shape), .bytes = bytes});
    return Ok{};
  }

 private:
  std::vector<encode::OutputTensor>& outputs_;
  std::unordered_set<std::string> names_;
};

Status add_scales(OutputList& list, const std::string& name, TensorPlan& plan) {
  std::vector<uint64_t> shape = {1};
  if (plan.treatment == Treatment::kInt8Rows) shape = {plan.rows};
  if (plan.treatment == Treatment::kInt8Columns) shape = {1, plan.columns};
  return list.add(name + "_scale", DType::kF32, std::move(shape), plan.scale_output);
}

Status add_outliers(OutputList& list, const std::string& name, TensorPlan& plan) {
  const uint64_t count = plan.outliers.size();
  const bool by_rows = plan.input_axis == InputAxis::kRows;
  std::vector<uint64_t> shape = {plan.rows, count};
  if (by_rows) shape = {count, plan.columns};
  QLOAD_CHECK(list.add(name + "_outliers", DType::kF16, std::move(shape), plan.outlier_output));
  return list.add(name + (by_rows ? "_outlier_rows" : "_outlier_columns"), DType::kI32, {count},
                  plan.outlier_number_output);
}

}  // namespace

bool is_gguf(const ModelSource& model) {
  return std::ranges::any_of(
      model.files(), [](const SourceFile& file) { return file.format == SourceFormat::kGguf; });
}

Result<std::vector<TensorPlan>> plan_tensors(const ModelSource& model,
                                             const QuantizeOptions& options) {
  const bool to_gguf = writes_gguf(options.scheme);
  std::vector<TensorPlan> plans;
  for (const SourceTensor& tensor : model.tensors()) {
    TensorPlan& plan = plans.emplace_back();
    plan.source = static_cast<uint32_t>(plans.size() - 1);
    plan.dtype = tensor.dtype;
    if (!tensor.shape.empty()) plan.columns = tensor.shape.back();
    if (plan.columns > 0 && encode::is_plain_float(tensor.dtype)) {
      plan.rows = tensor.bytes / find_dtype(tensor.dtype)->block_bytes / plan.columns;
    }
    plan.is_embedding = tensor_role(tensor.name, tensor.shape.size()) == TensorRole::kEmbedding;
  }
  for (const uint32_t number : find_transposed_matrices(TensorTable(model.tensors()))) {
    plans[number].input_axis = InputAxis::kRows;
  }
  for (TensorPlan& plan : plans) {
    const SourceTensor& tensor = model.tensors()[plan.source];
    if (to_gguf) QLOAD_CHECK(check_fits_gguf(tensor));
    if (is_wide_matrix(tensor) && (options.quantize_embeddings || !plan.is_embedding)) {
      plan_matrix(options, plan);
    } else if (to_gguf && !tensor.shape.empty()) {
      keep_in_gguf(model, tensor, plan);
    }
    QLOAD_CHECK(check_row(tensor, plan));
  }
  return plans;
}

Result<std::vector<encode::OutputTensor>> list_outputs(const ModelSource& model,
                                                       std::span<TensorPlan> plans) {
  std::vector<encode::OutputTensor> outputs;
  for (TensorPlan& plan : plans) {
    const SourceTensor& tensor = model.tensors()[plan.source];
    plan.weight = static_cast<uint32_t>(outputs.size());
    outputs.push_back({.name = tensor.name,
                       .dtype = plan.dtype,
                       .shape = tensor.shape,
                       .bytes = weight_bytes(tensor, plan)});
  }
  OutputList list(outputs);
  for (TensorPlan& plan : plans) {
    const std::string name = outputs[plan.weight].name;
    if (plan.is_quantized() && plan.treatment != Treatment::kBlocks) {
      QLOAD_CHECK(add_scales(list, name, plan));
    }
    if (!plan.smooth.empty()) {
      QLOAD_CHECK(
          list.add(name + "_smooth", DType::kF32, {plan.smooth.size()}, plan.smooth_output));
    }
    if (!plan.outliers.empty()) QLOAD_CHECK(add_outliers(list, name, plan));
  }
  return outputs;
}

}  // namespace qload::quantize
