// TensorRoles: the tensors of a model taken one by one for the roles they play.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "qload/result.h"
#include "tools/qrun/model_file.h"
#include "tools/qrun/weight_plan.h"

namespace qload::qrun {

/// Finds tensors by name and proves their types, shapes and sizes. Each joins the last step of the
/// plan. Errors name the tensor, what was found and what was expected.
class TensorRoles {
 public:
  /// Both outlive it. REQUIRES: the plan has a step when a tensor is taken.
  TensorRoles(std::span<const ModelTensor> tensors, WeightPlan& plan);

  bool has(std::string_view name) const { return by_name_.contains(name); }
  Status take_vector(const std::string& name, uint64_t size, VectorRole& role);
  /// With what quantization stores beside it: name + "_scale" and so on.
  Status take_matrix(const std::string& name, uint64_t rows, uint64_t columns, MatrixRole& role);
  /// kUnsupported when a tensor has no role and is not one that may be ignored.
  Status check_nothing_left(uint32_t layer_count) const;

 private:
  Result<uint32_t> take(const std::string& name);
  Result<uint32_t> take_typed(const std::string& name, DType dtype);
  const ModelTensor& tensor_of(uint32_t slot) const;
  Status take_scales(MatrixRole& role);
  Status take_smooth(MatrixRole& role);
  Status take_outliers(MatrixRole& role);

  const std::span<const ModelTensor> tensors_;
  WeightPlan& plan_;
  std::unordered_map<std::string_view, uint32_t> by_name_;
  std::vector<bool> used_;
};

}  // namespace qload::qrun
