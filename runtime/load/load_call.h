// What the calls of a Loader that take tensors and options have in common.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "qload/options.h"
#include "qload/result.h"
#include "qload/tensor.h"
#include "runtime/load/loader_state.h"
#include "runtime/load/no_throw.h"

namespace qload::internal {

Status check_load_options(const LoadOptions& options);

/// Numbers of the tensors of these names, in load order. kNotFound names the first that is absent,
/// kInvalidArgument one that is named twice.
Result<std::vector<uint32_t>> find_tensors(const ModelState& model,
                                           std::span<const std::string_view> names);

/// Finds every destination's tensor and checks sizes and overlap.
Result<std::vector<LoadTarget>> find_targets(const ModelState& model,
                                             std::span<const Destination> destinations);

/// `options`, reporting to `statistics` and, by reference, to the callback of `options`.
LoadOptions report_to(LoadStatistics& statistics, const LoadOptions& options);

/// run_load into `block`, which acquire_block has lent and which then counts as filled. The
/// statistics of `options` are the caller's, not null.
Status load_block(LoaderState& state, const ModelState& model, std::span<const LoadTarget> targets,
                  DestinationBlock& block, const LoadOptions& options,
                  std::chrono::steady_clock::time_point begin, TargetForm form);

}  // namespace qload::internal
