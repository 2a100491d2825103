// Items made in parallel and taken in order.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>

#include "qload/result.h"

namespace qload {

/// Threads an option may ask for. Far above any processor count; bounds slots and stacks.
inline constexpr uint32_t kPipelineThreadsMax = 1024;

/// Items in the making or waiting to be taken: two for each thread, so that no thread waits for
/// the one before it, and two for the consumer.
constexpr uint32_t pipeline_slot_count(uint32_t threads) { return 2 * threads + 2; }

/// What run_ordered does. A slot is the caller's storage for one item; item i uses slot
/// i % pipeline_slot_count(threads), and a slot is reused only once its item is consumed.
struct OrderedWork {
  uint64_t item_count = 0;
  uint32_t threads = 1;  ///< In [1, kPipelineThreadsMax].
  /// Makes `item` in `slot`, on worker `thread` (below `threads`), several at once.
  std::function<Status(uint32_t thread, uint32_t slot, uint64_t item)> produce;
  /// Takes item 0, 1, 2 ... on the calling thread.
  std::function<Status(uint32_t slot, uint64_t item)> consume;
};

/// Runs to the end, or to the first error: that of the lowest item, whatever order they happen in;
/// every item below it has been consumed. kCancelled when `stop` is requested. When it returns,
/// no thread is left. Running out of memory in an item is kOutOfMemory.
Status run_ordered(const OrderedWork& work, std::stop_token stop);

/// `threads`, or when 0 the number of processors this process may run on.
/// kInvalidArgument above kPipelineThreadsMax.
Result<uint32_t> choose_thread_count(uint32_t threads);

}  // namespace qload
