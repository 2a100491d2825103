#include "tools/qrun/weight_plan.h"

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "tools/qrun/tensor_names.h"
#include "tools/qrun/tensor_roles.h"

namespace qload::qrun {
namespace {

/// Gives roles to tensors, step by step.
class WeightPlanner {
 public:
  WeightPlanner(std::span<const ModelTensor> tensors, const ModelConfig& config)
      : config_(config), names_(tensor_names(config.naming)), roles_(tensors, plan_) {}

  Result<WeightPlan> plan() {
    QLOAD_CHECK(plan_embedding());
    for (uint32_t layer = 0; layer < config_.layer_count; ++layer) QLOAD_CHECK(plan_layer(layer));
    QLOAD_CHECK(plan_output());
    QLOAD_CHECK(roles_.check_nothing_left(config_.layer_count));
    return std::move(plan_);
  }

 private:
  Status plan_embedding() {
    plan_.steps.emplace_back();
    return roles_.take_matrix(std::string(names_.embedding), config_.vocabulary_size,
                              config_.hidden_size, plan_.embedding);
  }

  Status plan_layer(uint32_t layer) {
    const ModelConfig& c = config_;
    plan_.steps.emplace_back();
    LayerRoles& roles = plan_.layers.emplace_back();
    const auto vector = [&](std::string_view part, VectorRole& role) {
      return roles_.take_vector(text(names_.layers, layer, ".", part), c.hidden_size, role);
    };
    const auto matrix = [&](std::string_view TensorNames::*part, uint64_t rows, uint64_t columns,
                            MatrixRole& role) {
      role.module = layer_module_name(layer, part);
      return roles_.take_matrix(text(names_.layers, layer, ".", names_.*part), rows, columns, role);
    };
    using Names = TensorNames;
    QLOAD_CHECK(vector(names_.attention_norm, roles.attention_norm));
    QLOAD_CHECK(matrix(&Names::query, c.query_size(), c.hidden_size, roles.query));
    QLOAD_CHECK(matrix(&Names::key, c.key_value_size(), c.hidden_size, roles.key));
    QLOAD_CHECK(matrix(&Names::value, c.key_value_size(), c.hidden_size, roles.value));
    QLOAD_CHECK(
        matrix(&Names::attention_output, c.hidden_size, c.query_size(), roles.attention_output));
    QLOAD_CHECK(vector(names_.feed_forward_norm, roles.feed_forward_norm));
    QLOAD_CHECK(matrix(&Names::gate, c.feed_forward_size, c.hidden_size, roles.gate));
    QLOAD_CHECK(matrix(&Names::up, c.feed_forward_size, c.hidden_size, roles.up));
    return matrix(&Names::down, c.hidden_size, c.feed_forward_size, roles.down);
  }

  Status plan_output() {
    plan_.steps.emplace_back();
    QLOAD_CHECK(
        roles_.take_vector(std::string(names_.final_norm), config_.hidden_size, plan_.final_norm));
    const bool tied = config_.tied_embeddings && !roles_.has(names_.output);
    plan_.output.module = output_module_name();
    return roles_.take_matrix(std::string(tied ? names_.embedding : names_.output),
                              config_.vocabulary_size, config_.hidden_size, plan_.output);
  }

  const ModelConfig& config_;
  const TensorNames& names_;
  WeightPlan plan_;
  TensorRoles roles_;
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
    for (const MatrixRole* matrix : plan.layers[i].matrices()) mark(i + 1, *matrix);
  }
  mark(plan.steps.size() - 1, plan.output);
  return marks;
}

}  // namespace qload::qrun
