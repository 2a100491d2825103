// What a TensorCache owns: the block, the book of what lies in it, and the thread that prefetches.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>
#include <thread>
#include <vector>

#include "qload/cache.h"
#include "runtime/cache/cache_book.h"
#include "runtime/cache/cache_units.h"
#include "runtime/load/loader_state.h"

namespace qload::internal {

/// Threads that acquire() load themselves, without the mutex; hints are loaded by one thread of the
/// cache, and only while no acquire() waits or loads. Everything but loading happens under one
/// mutex, and nobody waits while it pins a unit that is not its own load.
class CacheState {
 public:
  static Result<std::unique_ptr<CacheState>> create(LoaderState& loader, const ModelState& model,
                                                    const CacheOptions& options);
  /// Cancels and joins.
  ~CacheState();
  CacheState(const CacheState&) = delete;
  CacheState& operator=(const CacheState&) = delete;

  Status prefetch(std::span<const std::string_view> names);
  Result<std::vector<TensorView>> acquire(std::span<const std::string_view> names);
  Status release(std::span<const std::string_view> names);
  CacheStatistics statistics() const;

 private:
  /// Tensors as they were named, and the units they belong to, each once.
  struct Request {
    std::vector<uint32_t> tensors;
    std::vector<uint32_t> units;
  };

  CacheState(LoaderState& loader, const ModelState& model, const CacheOptions& options,
             CacheUnits units, std::span<const uint64_t> unit_bytes, uint64_t capacity_bytes);

  /// Counts a call of acquire() as one that hints wait for. Under the mutex, at both ends.
  class Demand;

  Result<Request> find(std::span<const std::string_view> names) const;
  Status claim(const Request& request, std::unique_lock<std::mutex>& lock,
               std::vector<uint32_t>& missing);
  Error describe(const CacheBook::Refusal& refusal) const;
  Status load_missing(const Request& request, std::span<const uint32_t> missing,
                      std::unique_lock<std::mutex>& lock);
  void add_holds(const Request& request);
  void end_holds(const Request& request);
  void forget_hints(const Request& request);
  std::span<std::byte> take_fresh(std::span<const uint32_t> units);
  Status load(std::span<const uint32_t> units, std::span<std::byte> fresh,
              LoadStatistics& statistics) const;
  void finish(std::span<const uint32_t> units, bool loaded, const LoadStatistics& statistics);
  void prefetch_main(const std::stop_token& stop);
  void prefetch_next(std::unique_lock<std::mutex>& lock);
  bool claim_hint(uint32_t unit);

  std::stop_source stop_;
  LoaderState& loader_;
  const ModelState& model_;
  const LoadOptions load_options_;  // `stop` is stop_'s.
  const CacheUnits units_;
  std::weak_ptr<DestinationPool> pool_;
  DestinationBlock block_;

  std::optional<std::stop_callback<std::function<void()>>> on_stop_;

  mutable std::mutex mutex_;
  std::condition_variable_any changed_;  // A load ended, the last demand did, or a hint came.
  CacheBook book_;                       // Guarded by mutex_, like all below.
  std::vector<uint32_t> tensor_holds_;
  std::deque<uint32_t> hints_;    // Units, each once, first ones first.
  std::vector<bool> hint_waits_;  // By unit: it is in hints_.
  uint32_t demands_ = 0;          // Calls of acquire() that wait or load.
  uint64_t loads_ended_ = 0;
  bool prefetching_ = false;
  uint64_t touched_bytes_ = 0;  // Memory behind this has no pages yet.
  CacheStatistics statistics_;

  std::jthread prefetcher_;
};

}  // namespace qload::internal
