#include "tools/qrun/stream_layout.h"

#include <algorithm>
#include <tuple>

namespace qload::qrun {
namespace {

constexpr uint32_t kNoStep = 0xFFFF'FFFF;

/// A pattern that matches this name only.
std::string literal_pattern(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (std::string_view("*?[]\\").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

/// The steps that need a tensor; none: first is kNoStep.
struct Use {
  uint32_t first = kNoStep;
  uint32_t last = 0;
};

std::vector<Use> find_uses(size_t tensor_count, const WeightPlan& plan) {
  std::vector<Use> uses(tensor_count);
  for (uint32_t step = 0; step < plan.step_count(); ++step) {
    for (const uint32_t tensor : plan.steps[step]) {
      uses[tensor].first = std::min(uses[tensor].first, step);
      uses[tensor].last = step;
    }
  }
  return uses;
}

}  // namespace

StreamLayout plan_stream(std::span<const TensorInfo> tensors, const WeightPlan& plan) {
  std::vector<Use> uses = find_uses(tensors.size(), plan);
  const std::vector<bool> is_matrix = mark_matrices(plan, tensors.size());
  StreamLayout layout;
  const uint32_t embedding = plan.steps.front()[plan.embedding.slot];
  layout.embedding_by_rows = uses[embedding].last == 0;
  if (layout.embedding_by_rows) {
    uses[embedding] = {};
  } else {
    layout.resident.push_back(literal_pattern(tensors[embedding].name));
  }
  uint32_t group = kNoStep;  // So that the first is 0.
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorInfo& tensor = tensors[i];
    const bool continues =
        i > 0 && tensor.layer == tensors[i - 1].layer && tensor.stack == tensors[i - 1].stack;
    if (!continues) ++group;
    const Use use = uses[i];
    if (use.first == kNoStep) {
      layout.skip.push_back(literal_pattern(tensor.name));
      continue;
    }
    if (!is_matrix[i]) layout.resident.push_back(literal_pattern(tensor.name));
    if (layout.groups.empty() || layout.groups.back().group != group) {
      layout.groups.push_back({group, use.first, use.last});
    }
    StreamedGroup& streamed = layout.groups.back();
    streamed.first_step = std::min(streamed.first_step, use.first);
    streamed.last_step = std::max(streamed.last_step, use.last);
  }
  std::ranges::sort(layout.groups, {},
                    [](const StreamedGroup& one) { return std::tuple(one.first_step, one.group); });
  return layout;
}

}  // namespace qload::qrun
