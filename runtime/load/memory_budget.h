// What a load may take, and whether it fits.
#pragma once

#include <cstdint>
#include <span>

#include "format/container/index.h"
#include "qload/options.h"
#include "qload/result.h"
#include "runtime/host/cgroup_limits.h"
#include "runtime/load/loader_state.h"
#include "runtime/memory/destination_pool.h"

namespace qload::internal {

/// Of `asked_bytes`, what a limit of `limit_bytes` lets the staging area have: at most a quarter,
/// so that it stays the smaller part of a load, yet 4 MiB, below which reading and decoding no
/// longer overlap, or what was asked when that is less.
uint64_t staging_within(uint64_t asked_bytes, uint64_t limit_bytes);

/// Shrinks options.staging_bytes to what memory_bytes_max and `groups` leave. kBudgetTooSmall when
/// memory_bytes_max does not hold the area: no load would fit. A hook's memory is not bounded.
Status fit_staging(LoaderOptions& options, std::span<const CgroupFolder> groups);

/// An upper bound of what planning and running a load of `tensors` takes besides staging and
/// destinations: the plan, lists of tensors, and each thread's scratch memory.
uint64_t bookkeeping_bytes(const Index& index, std::span<const uint32_t> tensors,
                           const LoaderOptions& options);

/// Memory for `tensors` of `model`: the hook's, a kept block, or a fresh one. kBudgetTooSmall when
/// a limit does not hold the load, after blocks kept for later loads have been freed. The block is
/// lent (DestinationPool::lend): its Weights end the loan.
Result<DestinationBlock> acquire_block(LoaderState& state, const ModelState& model,
                                       std::span<const uint32_t> tensors,
                                       const DestinationPool::Request& request,
                                       const Allocator& hook);

/// The same limits for a load of `tensors` into the caller's memory.
Status check_budget_into(const LoaderState& state, const ModelState& model,
                         std::span<const uint32_t> tensors);

}  // namespace qload::internal
