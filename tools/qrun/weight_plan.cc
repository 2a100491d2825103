#include "tools/qrun/weight_plan.h"

#include <algorithm>
#include <string>
#include <unordered_map>

#include "format/base/checked.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/qrun/row_kernels.h"
#include "tools/qrun/tensor_names.h"

namespace qload::qrun {
namespace {

std::string shape_text(std::span<const uint64_t> shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += text(i == 0 ? "" : ", ", shape[i]);
  return out + "]";
}

/// Gives roles to tensors, step by step.
class WeightPlanner {
 public:
  WeightPlanner(std::span<const ModelTensor> tensors, const ModelConfig& config)
      : tensors_(tensors),
        config_(config),
        names_(tensor_names(config.naming)),
        used_(tensors.size()) {
    for (uint32_t i = 0; i < tensors.size(); ++i) by_name_.emplace(tensors[i].name, i);
  }

  Result<WeightPlan> plan() {
    QLOAD_CHECK(plan_embedding());
    for (uint32_t layer = 0; layer < config_.layer_count; ++layer) QLOAD_CHECK(plan_layer(layer));
    QLOAD_CHECK(plan_output());
    QLOAD_CHECK(check_nothing_left());
    return std::move(plan_);
  }

 private:
  Status plan_embedding() {
    plan_.steps.emplace_back();
    return take_matrix(std::string(names_.embedding), config_.vocabulary_size, config_.hidden_size,
                       plan_.embedding);
  }

  Status plan_layer(uint32_t layer) {
    const ModelConfig& c = config_;
    plan_.steps.emplace_back();
    LayerRoles& roles = plan_.layers.emplace_back();
    const auto name = [&](std::string_view part) { return text(names_.layers, layer, ".", part); };
    QLOAD_CHECK(take_vector(name(names_.attention_norm), c.hidden_size, roles.attention_norm));
    QLOAD_CHECK(take_matrix(name(names_.query), c.query_size(), c.hidden_size, roles.query));
    QLOAD_CHECK(take_matrix(name(names_.key), c.key_value_size(), c.hidden_size, roles.key));
    QLOAD_CHECK(take_matrix(name(names_.value), c.key_value_size(), c.hidden_size, roles.value));
    QLOAD_CHECK(take_matrix(name(names_.attention_output), c.hidden_size, c.query_size(),
                            roles.attention_output));
    QLOAD_CHECK(
        take_vector(name(names_.feed_forward_norm), c.hidden_size, roles.feed_forward_norm));
    QLOAD_CHECK(take_matrix(name(names_.gate), c.feed_forward_size, c.hidden_size, roles.gate));
    QLOAD_CHECK(take_matrix(name(names_.up), c.feed_forward_size, c.hidden_size, roles.up));
    return take_matrix(name(names_.down), c.hidden_size, c.feed_forward_size, roles.down);
  }

  Status plan_output() {
    plan_.steps.emplace_back();
    QLOAD_CHECK(take_vector(std::string(names_.final_norm), config_.hidden_size, plan_.final_norm));
    const bool tied = config_.tied_embeddings && !by_name_.contains(names_.output);
    return take_matrix(std::string(tied ? names_.embedding : names_.output),
                       config_.vocabulary_size, config_.hidden_size, plan_.output);
  }

  /// Adds the tensor to the last step.
  Result<uint32_t> take(const std::string& name) {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) {
      return Error(ErrorCode::kNotFound, text("the model has no tensor ", quote(name)));
    }
    used_[found->second] = true;
    std::vector<uint32_t>& step = plan_.steps.back();
    step.push_back(found->second);
    return static_cast<uint32_t>(step.size() - 1);
  }

  const ModelTensor& tensor_of(uint32_t slot) const { return tensors_[plan_.steps.back()[slot]]; }

  Status take_vector(const std::string& name, uint64_t size, VectorRole& role) {
    QLOAD_TRY(role.slot, take(name));
    const ModelTensor& tensor = tensor_of(role.slot);
    role.dtype = tensor.dtype;
    role.size = size;
    if (role.dtype != DType::kF32 && role.dtype != DType::kF16 && role.dtype != DType::kBF16) {
      return unknown_type(tensor, "F32, F16 or BF16");
    }
    const uint64_t expected[] = {size};
    return check_shape(tensor, expected);
  }

  Status take_matrix(const std::string& name, uint64_t rows, uint64_t columns, MatrixRole& role) {
    QLOAD_TRY(role.slot, take(name));
    const ModelTensor& tensor = tensor_of(role.slot);
    role.dtype = tensor.dtype;
    role.rows = rows;
    role.columns = columns;
    if (find_row_product(kRowScalar, role.dtype) == nullptr) {
      return unknown_type(tensor, "F32, F16, BF16, I8, Q8_0 or Q4_0");
    }
    const uint64_t expected[] = {rows, columns};
    QLOAD_CHECK(check_shape(tensor, expected));
    role.row_bytes = tensor.bytes / rows;  // check_shape: whole blocks, so whole bytes.
    return role.dtype == DType::kI8 ? take_scales(name, role) : Status(Ok{});
  }

  Status take_scales(const std::string& name, MatrixRole& role) {
    QLOAD_TRY(role.scale_slot, take(name + "_scale"));
    const ModelTensor& tensor = tensor_of(role.scale_slot);
    if (tensor.dtype != DType::kF32) return unknown_type(tensor, "F32");
    uint64_t count = 1;
    for (const uint64_t size : tensor.shape) {
      const auto product = checked_multiply(count, size);
      count = product.value_or(0);
    }
    // [], [1], [rows] and [rows, 1] are all in use.
    if (count != 1 && count != role.rows) {
      return Error(ErrorCode::kCorrupt,
                   text("tensor ", quote(tensor.name), " has shape ", shape_text(tensor.shape),
                        ", expected one scale or one for each of ", role.rows, " rows"));
    }
    role.scale_count = count;
    return check_bytes(tensor, count);
  }

  Error unknown_type(const ModelTensor& tensor, std::string_view known) const {
    const DTypeInfo* type = find_dtype(tensor.dtype);
    return Error(ErrorCode::kUnsupported, text("tensor ", quote(tensor.name), " is ",
                                               type != nullptr ? type->name : "of an unknown type",
                                               ", this engine knows ", known));
  }

  Status check_shape(const ModelTensor& tensor, std::span<const uint64_t> expected) const {
    if (!std::ranges::equal(tensor.shape, expected)) {
      return Error(ErrorCode::kCorrupt,
                   text("tensor ", quote(tensor.name), " has shape ", shape_text(tensor.shape),
                        ", the model's configuration gives ", shape_text(expected)));
    }
    const uint64_t columns = expected.back();
    const DTypeInfo& type = *find_dtype(tensor.dtype);
    if (columns % type.block_elements != 0) {
      return Error(ErrorCode::kCorrupt,
                   text("tensor ", quote(tensor.name), " has rows of ", columns,
                        " elements, expected a multiple of ", type.block_elements));
    }
    return check_bytes(tensor, expected.size() == 2 ? expected[0] * columns : columns);
  }

  Status check_bytes(const ModelTensor& tensor, uint64_t elements) const {
    const DTypeInfo& type = *find_dtype(tensor.dtype);
    const uint64_t bytes = elements / type.block_elements * type.block_bytes;
    if (tensor.bytes == bytes) return Ok{};
    return Error(ErrorCode::kCorrupt, text("tensor ", quote(tensor.name), " has ", tensor.bytes,
                                           " bytes, expected ", bytes));
  }

  Status check_nothing_left() const {
    for (size_t i = 0; i < tensors_.size(); ++i) {
      if (used_[i] || is_ignored_tensor(tensors_[i].name)) continue;
      return Error(ErrorCode::kUnsupported,
                   text("tensor ", quote(tensors_[i].name), " is no part of a Llama model of ",
                        config_.layer_count, " layers"));
    }
    return Ok{};
  }

  const std::span<const ModelTensor> tensors_;
  const ModelConfig& config_;
  const TensorNames& names_;
  std::unordered_map<std::string_view, uint32_t> by_name_;
  std::vector<bool> used_;
  WeightPlan plan_;
};

}  // namespace

Result<WeightPlan> plan_weights(std::span<const ModelTensor> tensors, const ModelConfig& config) {
  return WeightPlanner(tensors, config).plan();
}

std::vector<bool> mark_matrices(const WeightPlan& plan, size_t tensor_count) {
  std::vector<bool> marks(tensor_count);
  const auto mark = [&](size_t step, const MatrixRole& matrix) {
    marks[plan.steps[step][matrix.slot]] = true;
  };
  mark(0, plan.embedding);
  for (size_t i = 0; i < plan.layers.size(); ++i) {
    const LayerRoles& layer = plan.layers[i];
    for (const MatrixRole* matrix :
         {&layer.query, &layer.key, &layer.value, &layer.attention_output, &layer.gate, &layer.up,
          &layer.down}) {
      mark(i + 1, *matrix);
    }
  }
  mark(plan.steps.size() - 1, plan.output);
  return marks;
}

}  // namespace qload::qrun
