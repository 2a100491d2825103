// TensorCache: tensors of a model at random, within a budget. For mixtures of experts, whose router
// says only at run time which weights the next layer needs.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "qload/loader.h"
#include "qload/options.h"
#include "qload/result.h"
#include "qload/tensor.h"

namespace qload {

namespace internal {
class CacheState;
}

/// Which tensors are loaded and evicted together: a unit.
enum class CacheUnit : uint8_t {
  /// The tensors of one expert: names that agree up to the part behind "experts.", when that part
  /// ends in a digit ("model.layers.0.mlp.experts.7."). Every other tensor by itself.
  kExpert = 0,
  kTensor = 1,  ///< Every tensor by itself.
  kLayer = 2,   ///< The tensors of one layer; those of no layer by themselves.
};

struct CacheOptions {
  /// Required. Bounds the decoded bytes of the cache that are alive at any time, those of loads
  /// under way included, together with the Loader's staging memory (that of a hook does not count).
  /// At least staging and the largest unit. The more, the more hits.
  uint64_t budget_bytes = 0;
  CacheUnit unit = CacheUnit::kExpert;
  /// For the one block of memory and for every load into it. `stop` ends the cache: calls that wait
  /// or load return kCancelled from then on. `on_progress` and `statistics` are not used.
  LoadOptions load = {};
};

/// Since the cache was made. Units are counted, not tensors; a call counts each of its units once.
struct CacheStatistics {
  uint64_t hits = 0;  ///< Acquired units that were there, or on their way: no load was begun.
  uint64_t waited_hits = 0;  ///< Of those, units that a load under way brought: a prefetch that
                             ///< came too late, or another thread's.
  uint64_t misses = 0;       ///< Acquired units that the call had to load.
  uint64_t evictions = 0;
  uint64_t prefetches = 0;          ///< Units that were loaded on a hint.
  uint64_t dropped_prefetches = 0;  ///< Hints that did not fit, or whose load failed.
  uint64_t bytes_read = 0;          ///< From storage.
  uint64_t bytes_decoded = 0;
  double wait_seconds = 0;      ///< Calls of acquire(): waiting and loading, summed over threads.
  uint64_t capacity_bytes = 0;  ///< What the units may take together.
  uint64_t used_bytes = 0;      ///< What they take now.
  uint64_t held_bytes = 0;      ///< Of those: held, or being loaded.
};

/// Keeps the units that were used last in one block of memory, within a budget. Made by
/// Loader::cache(). Any thread may call it, also while others wait. Its Model and its Loader must
/// outlive it; destroy it after its last call returned, which cancels what is under way.
///
/// Room is made by evicting units that nobody holds, the one whose last acquire() or hint is
/// longest ago first. Units take whole blocks of the container's alignment (4 KiB). Where all are
/// of one size, hits are those of an ideal least-recently-used cache of capacity_bytes. Where sizes
/// differ, free room may lie in pieces that are too small: eviction then goes on until a piece is
/// large enough, which costs hits, and units that are held in the middle can make a call fail that
/// would fit by the sum of bytes.
class TensorCache {
 public:
  ~TensorCache();
  TensorCache(TensorCache&&) noexcept;
  TensorCache& operator=(TensorCache&&) noexcept;

  /// Hints that the units of these tensors are needed soon, first ones first. Returns at once; a
  /// thread of the cache loads them while no acquire() is loading. A hint never evicts what is
  /// held, or what was hinted within the last 64 calls of acquire() and not acquired since: it is
  /// dropped when it does not fit
  /// beside those, or when its load fails. kNotFound names a tensor that the model has not.
  Status prefetch(std::span<const std::string_view> names);

  /// The tensor, loaded when it is absent, ahead of all hints. It is held, and the view valid,
  /// until release(). kBudgetTooSmall, at once, when what others hold leaves no room: release and
  /// try again. kNotFound; kCancelled; else the error of the load, which leaves the cache as it was
  /// except for what was evicted.
  Result<TensorView> acquire(std::string_view name);
  /// The same for several, such as the experts of a token: all or none, in one load. Views are in
  /// the order of the names. A call that waits holds nothing, so that calls cannot wait for each
  /// other. kInvalidArgument for a name that is given twice.
  Result<std::vector<TensorView>> acquire(std::span<const std::string_view> names);

  /// Ends one hold of each tensor; its views are invalid once all holds of its unit have ended.
  /// kInvalidArgument for a tensor that is not held or is named twice, and then nothing is
  /// released.
  Status release(std::string_view name);
  Status release(std::span<const std::string_view> names);

  CacheStatistics statistics() const;

 private:
  friend class Loader;
  explicit TensorCache(std::unique_ptr<internal::CacheState> state);
  std::unique_ptr<internal::CacheState> state_;
};

}  // namespace qload
