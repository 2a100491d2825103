// Which groups of a container a pass streams, and for which steps. Pure planning.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "qload/tensor.h"
#include "tools/qrun/weight_plan.h"

namespace qload::qrun {

/// A group is taken from the stream for its first step and given back after its last, which are
/// the same unless a tensor (a tied embedding) serves two.
struct StreamedGroup {
  uint32_t group = 0;  ///< As in StreamOptions::order.
  uint32_t first_step = 0;
  uint32_t last_step = 0;
};

struct StreamLayout {
  std::vector<StreamedGroup> groups;  ///< In the order in which a pass needs them.
  std::vector<std::string> resident;  ///< Patterns for StreamOptions.
  std::vector<std::string> skip;      ///< The same.
  bool embedding_by_rows = false;     ///< It is skipped: a token needs one row of it.
};

/// `tensors` are the container's, which `plan` was made for. Norms and scales stay resident, they
/// are small and would be reads of their own; so does an embedding that is the output, too.
StreamLayout plan_stream(std::span<const TensorInfo> tensors, const WeightPlan& plan);

}  // namespace qload::qrun
