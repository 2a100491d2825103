// What a Loader owns, and how one load runs on it. For loader.cc and for tests with faulty
// engines.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "qload/loader.h"
#include "qload/options.h"
#include "qload/result.h"
#include "runtime/host/cgroup_folders.h"
#include "runtime/load/io_thread.h"
#include "runtime/load/model_state.h"
#include "runtime/memory/destination_block.h"
#include "runtime/memory/destination_pool.h"

namespace qload::internal {

/// Lets loads through one at a time, in the order they came.
class Turnstile {
 public:
  /// Waits for this caller's turn; kCancelled when `stop` is tripped first.
  Status enter(const std::stop_token& stop);
  void leave();

 private:
  std::mutex mutex_;
  std::condition_variable turned_;
  uint64_t next_ticket_ = 0;  // Guarded by mutex_, like all below.
  uint64_t serving_ = 0;
  std::vector<uint64_t> abandoned_;
};

/// Members are destroyed last to first: the I/O thread before the pool and the staging it uses.
struct LoaderState {
  LoaderOptions options;
  /// Whose memory limits hold, as of create; empty: none are heeded.
  std::vector<CgroupFolder> memory_groups;
  /// Owned by the Loader alone; Weights refer to it weakly.
  std::shared_ptr<DestinationPool> kept;
  StagingRing staging;
  std::unique_ptr<DecodePool> pool;
  std::unique_ptr<IoThread> io;
  Turnstile turnstile;
};

/// Checks options, applies QLOAD_IO and QLOAD_DIRECT, starts the threads.
Result<std::unique_ptr<LoaderState>> create_loader_state(LoaderOptions options,
                                                         EngineFactory factory);

/// For tests: a Loader on a state of their own, with engines that fail.
struct LoaderAccess {
  static Loader make(std::unique_ptr<LoaderState> state) { return Loader(std::move(state)); }
};

/// Where one tensor goes.
struct LoadTarget {
  uint32_t tensor = 0;
  std::byte* data = nullptr;
  bool direct_allowed = true;
};

/// Waits for its turn, plans, runs, reports. `block`, when not null, is the fresh memory that the
/// targets lie in. `begin` is when the caller asked.
Status run_load(LoaderState& state, const ModelState& model, std::span<const LoadTarget> targets,
                const DestinationBlock* block, const LoadOptions& options,
                std::chrono::steady_clock::time_point begin);

/// Overrides from the environment. kInvalidArgument names a value that means nothing.
Status apply_environment(LoaderOptions& options);

}  // namespace qload::internal
