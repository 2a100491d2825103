// What a Loader owns, and how one load runs on it. For loader.cc and for tests with faulty
// engines.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "qload/loader.h"
#include "qload/options.h"
#include "qload/result.h"
#include "runtime/decode/decode_pool.h"
#include "runtime/host/cgroup_folders.h"
#include "runtime/host/processors.h"
#include "runtime/load/io_thread.h"
#include "runtime/load/model_state.h"
#include "runtime/load/packed_store.h"
#include "runtime/load/turnstile.h"
#include "runtime/memory/destination_block.h"
#include "runtime/memory/destination_pool.h"
#include "runtime/memory/staging_area.h"
#include "runtime/plan/read_plan.h"

namespace qload::internal {

/// Members are destroyed last to first: the I/O threads before the pool and the staging they use.
struct LoaderState {
  LoaderOptions options;
  EngineFactory factory;
  ThreadPlacement placement;  ///< Of all threads; the niceness is for decode threads only.
  /// Whose memory limits hold, as of create; empty: none are heeded.
  std::vector<CgroupFolder> memory_groups;
  /// Owned by the Loader alone; Weights refer to it weakly.
  std::shared_ptr<DestinationPool> blocks;
  std::mutex admission;  ///< Held while a load's memory is checked and lent.
  StagingArea staging;
  std::unique_ptr<DecodePool> pool;
  std::unique_ptr<IoThread> uring;  ///< Null: not wanted, or refused.
  int uring_refusal = 0;            ///< errno; 0: not refused at creation.
  Turnstile turnstile;

  bool uring_works() const { return uring != nullptr && !uring->broken(); }
  /// The errno with which io_uring was refused; 0: it was not.
  int refusal() const { return uring != nullptr && uring->broken() ? EPERM : uring_refusal; }
  /// The I/O thread of that backend; pread threads start when they are first needed.
  Result<IoThread*> io_thread(IoBackend backend);
  /// Staging memory became free: those that wait for it look up.
  void announce_room();

 private:
  std::mutex pread_mutex_;
  std::unique_ptr<IoThread> pread_;  // Guarded by pread_mutex_.
};

/// Checks options, applies QLOAD_IO and QLOAD_DIRECT, starts the threads.
Result<std::unique_ptr<LoaderState>> create_loader_state(LoaderOptions options,
                                                         EngineFactory factory);

/// For tests: a Loader on a state of their own, with engines that fail.
struct LoaderAccess {
  static Loader make(std::unique_ptr<LoaderState> state) { return Loader(std::move(state)); }
};

/// Where one tensor, or some of its chunks, goes.
struct LoadTarget {
  uint32_t tensor = 0;
  std::byte* data = nullptr;
  bool direct_allowed = true;
  ChunkRange chunks = {};
};

/// What a load puts into its targets.
enum class TargetForm : uint8_t {
  kDecoded,
  kStored,  ///< The chunks as they are stored, laid out as PlanOptions::stored says.
};

/// What a load is part of.
struct LoadSetting {
  const DestinationBlock* block = nullptr;  ///< Allocated for this load; for statistics.
  std::span<std::byte> fresh_memory = {};   ///< Of the targets: pages that nobody touched yet.
  TargetForm form = TargetForm::kDecoded;
  ReadSeries series = {};
};

/// Waits for its turn, plans, runs, reports. `begin` is when the caller asked.
Status run_load(LoaderState& state, const ModelState& model, std::span<const LoadTarget> targets,
                const LoadSetting& setting, const LoadOptions& options,
                std::chrono::steady_clock::time_point begin);

/// The same out of `store`, which a load with TargetForm::kStored has filled: nothing is read.
/// Stored bytes that were checked then are not checked again. REQUIRES: it has every target.
Status run_decode(LoaderState& state, const ModelState& model, const PackedStore& store,
                  std::span<const LoadTarget> targets, const LoadSetting& setting,
                  const LoadOptions& options, std::chrono::steady_clock::time_point begin);

/// Overrides from the environment. kInvalidArgument names a value that means nothing.
Status apply_environment(LoaderOptions& options);

}  // namespace qload::internal
