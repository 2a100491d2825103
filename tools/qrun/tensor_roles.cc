#include "tools/qrun/tensor_roles.h"

#include <algorithm>

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

Error unknown_type(const ModelTensor& tensor, std::string_view known) {
  const DTypeInfo* type = find_dtype(tensor.dtype);
  return Error(ErrorCode::kUnsupported, text("tensor ", quote(tensor.name), " is ",
                                             type != nullptr ? type->name : "of an unknown type",
                                             ", this engine knows ", known));
}

Error wrong_shape(const ModelTensor& tensor, std::string_view expected) {
  return Error(ErrorCode::kCorrupt, text("tensor ", quote(tensor.name), " has shape ",
                                         shape_text(tensor.shape), ", expected ", expected));
}

Status check_bytes(const ModelTensor& tensor, uint64_t elements) {
  const DTypeInfo& type = *find_dtype(tensor.dtype);
  const uint64_t bytes = elements / type.block_elements * type.block_bytes;
  if (tensor.bytes == bytes) return Ok{};
  return Error(ErrorCode::kCorrupt, text("tensor ", quote(tensor.name), " has ", tensor.bytes,
                                         " bytes, expected ", bytes));
}

Status check_shape(const ModelTensor& tensor, std::span<const uint64_t> expected) {
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

/// Elements of a shape; 0 when they are more than 64 bits can count.
uint64_t count_elements(std::span<const uint64_t> shape) {
  uint64_t count = 1;
  for (const uint64_t size : shape) count = checked_multiply(count, size).value_or(0);
  return count;
}

}  // namespace

TensorRoles::TensorRoles(std::span<const ModelTensor> tensors, WeightPlan& plan)
    : tensors_(tensors), plan_(plan), used_(tensors.size()) {
  for (uint32_t i = 0; i < tensors.size(); ++i) by_name_.emplace(tensors[i].name, i);
}

Result<uint32_t> TensorRoles::take(const std::string& name) {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) {
    return Error(ErrorCode::kNotFound, text("the model has no tensor ", quote(name)));
  }
  used_[found->second] = true;
  std::vector<uint32_t>& step = plan_.steps.back();
  step.push_back(found->second);
  return static_cast<uint32_t>(step.size() - 1);
}

Result<uint32_t> TensorRoles::take_typed(const std::string& name, DType dtype) {
  QLOAD_TRY(const uint32_t slot, take(name));
  if (tensor_of(slot).dtype == dtype) return slot;
  return unknown_type(tensor_of(slot), find_dtype(dtype)->name);
}

const ModelTensor& TensorRoles::tensor_of(uint32_t slot) const {
  return tensors_[plan_.steps.back()[slot]];
}

Status TensorRoles::take_vector(const std::string& name, uint64_t size, VectorRole& role) {
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

Status TensorRoles::take_matrix(const std::string& name, uint64_t rows, uint64_t columns,
                                MatrixRole& role) {
  QLOAD_TRY(role.slot, take(name));
  const ModelTensor& tensor = tensor_of(role.slot);
  role.name = name;
  role.dtype = tensor.dtype;
  role.rows = rows;
  role.columns = columns;
  if (find_row_product(kRowScalar, role.dtype) == nullptr) {
    return unknown_type(tensor, "F32, F16, BF16, I8, Q8_0 or Q4_0");
  }
  const uint64_t expected[] = {rows, columns};
  QLOAD_CHECK(check_shape(tensor, expected));
  role.row_bytes = tensor.bytes / rows;  // check_shape: whole blocks, so whole bytes.
  if (has(name + "_smooth")) QLOAD_CHECK(take_smooth(role));
  if (role.dtype != DType::kI8) return Ok{};
  QLOAD_CHECK(take_scales(role));
  const bool has_outliers = has(name + "_outliers") || has(name + "_outlier_columns");
  return has_outliers ? take_outliers(role) : Status(Ok{});
}

/// [], [1], [rows] and [rows, 1] are all in use, and [1, columns] for scales of columns.
Status TensorRoles::take_scales(MatrixRole& role) {
  QLOAD_TRY(role.scale_slot, take_typed(role.name + "_scale", DType::kF32));
  const ModelTensor& tensor = tensor_of(role.scale_slot);
  const uint64_t count = count_elements(tensor.shape);
  const uint64_t of_columns[] = {1, role.columns};
  if (count == 1) {
    role.scale_axis = ScaleAxis::kMatrix;
  } else if (std::ranges::equal(tensor.shape, of_columns)) {
    role.scale_axis = ScaleAxis::kColumns;
  } else if (count == role.rows) {
    role.scale_axis = ScaleAxis::kRows;
  } else {
    return wrong_shape(tensor, text("one scale or one for each of ", role.rows, " rows or, as [1, ",
                                    role.columns, "], columns"));
  }
  return check_bytes(tensor, count);
}

Status TensorRoles::take_smooth(MatrixRole& role) {
  QLOAD_TRY(role.smooth_slot, take_typed(role.name + "_smooth", DType::kF32));
  const ModelTensor& tensor = tensor_of(role.smooth_slot);
  const uint64_t expected[] = {role.columns};
  return check_shape(tensor, expected);
}

Status TensorRoles::take_outliers(MatrixRole& role) {
  QLOAD_TRY(role.outlier_slot, take_typed(role.name + "_outliers", DType::kF16));
  QLOAD_TRY(role.outlier_columns_slot, take_typed(role.name + "_outlier_columns", DType::kI32));
  const ModelTensor& weights = tensor_of(role.outlier_slot);
  const ModelTensor& columns = tensor_of(role.outlier_columns_slot);
  if (weights.shape.size() != 2 || weights.shape[0] != role.rows ||
      weights.shape[1] > role.columns) {
    return wrong_shape(
        weights, text("[", role.rows, ", N] with N of at most ", role.columns, " outlier columns"));
  }
  role.outlier_count = weights.shape[1];
  const uint64_t expected[] = {role.outlier_count};
  if (!std::ranges::equal(columns.shape, expected)) {
    return wrong_shape(
        columns, text(shape_text(expected), ", a number for each column of ", quote(weights.name)));
  }
  if (role.has_input_factors()) {
    return Error(ErrorCode::kUnsupported,
                 text("tensor ", quote(role.name), " has outlier columns together with ",
                      role.smooth_slot != kNoSlot ? "smoothing" : "scales of columns"));
  }
  QLOAD_CHECK(check_bytes(weights, role.rows * role.outlier_count));
  return check_bytes(columns, role.outlier_count);
}

Status TensorRoles::check_nothing_left(uint32_t layer_count) const {
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (used_[i] || is_ignored_tensor(tensors_[i].name)) continue;
    return Error(ErrorCode::kUnsupported,
                 text("tensor ", quote(tensors_[i].name), " is no part of a Llama model of ",
                      layer_count, " layers"));
  }
  return Ok{};
}

}  // namespace qload::qrun
