// CacheBook: which units are in memory, where, who holds them, and who has to go.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "runtime/memory/region_allocator.h"

namespace qload::internal {

/// The rules of a TensorCache without its threads and its memory: one thread at a time calls it.
/// A unit is absent, being loaded, or ready. It is pinned while it is held or being loaded, and
/// hinted from a hint until it is acquired or evicted, or until kHintClaims claims have come since:
/// a hint that was wrong does not keep its room. Only ready units that are not pinned are evicted,
/// least recently used first; for a hint only those that are not hinted either.
class CacheBook {
 public:
  /// Some layers of experts ahead, in calls of an engine: far more than a router foresees.
  static constexpr uint64_t kHintClaims = 64;

  /// Units of `unit_bytes` bytes each, 0 for one that needs no memory and is always ready, in
  /// regions of `capacity_bytes` altogether. REQUIRES: granule is a power of two.
  CacheBook(std::span<const uint64_t> unit_bytes, uint64_t capacity_bytes, uint64_t granule);

  /// Why a claim was refused.
  struct Refusal {
    uint64_t needed_bytes = 0;  ///< By all units of the claim.
    uint64_t pinned_bytes = 0;  ///< By pinned units that are not in the claim.
    uint64_t largest_free = 0;  ///< After eviction, where not the sum but the pieces did not fit.
    bool fragmented = false;
  };

  /// Pins the ready ones of `units`, makes room for the others and pins those as being loaded:
  /// their numbers are appended to `missing`, in which there is room for all. All are the most
  /// recently used then, in order, and hinted no more. A claim that is refused has pinned nothing,
  /// and evicted nothing unless it was for fragmentation. May throw std::bad_alloc, like a refusal.
  /// REQUIRES: no unit comes twice; none is being loaded.
  std::optional<Refusal> claim(std::span<const uint32_t> units, std::vector<uint32_t>& missing);

  /// The same for a hint, which pins a unit only while it is loaded. kLoad: load it, then finish().
  enum class Hint : uint8_t { kLoad, kPresent, kDropped };
  Hint claim_hint(uint32_t unit);

  /// The load of a unit has ended. One that failed is absent again, whoever holds it.
  void finish(uint32_t unit, bool loaded) noexcept;

  /// Adds or ends a hold; a claim has added one to each of its units.
  void hold(uint32_t unit) noexcept;
  void release(uint32_t unit) noexcept;

  bool loading(uint32_t unit) const { return entries_[unit].place == Place::kLoading; }
  bool ready(uint32_t unit) const { return entries_[unit].place == Place::kReady; }
  uint64_t offset(uint32_t unit) const { return entries_[unit].offset; }
  uint64_t unit_bytes(uint32_t unit) const { return entries_[unit].bytes; }  ///< As rounded.

  uint64_t capacity_bytes() const { return regions_.bytes(); }
  uint64_t used_bytes() const { return regions_.used_bytes(); }
  uint64_t pinned_bytes() const { return pinned_bytes_; }
  uint64_t evictions() const { return evictions_; }

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};
  enum class Place : uint8_t { kAbsent, kLoading, kReady };

  struct Entry {
    uint64_t bytes = 0;
    uint64_t offset = 0;
    uint64_t holds = 0;
    Place place = Place::kAbsent;
    bool hinted = false;
    uint64_t hinted_at = 0;  ///< In claims.
    // Neighbours in the order of use; kNone at the ends, and when not in it.
    uint32_t older = kNone;
    uint32_t newer = kNone;

    bool pinned() const { return holds > 0 || place == Place::kLoading; }
  };

  template <class Change>
  void change(uint32_t unit, Change&& apply);
  Refusal refusal(uint64_t needed_bytes, uint64_t others_bytes) const;
  bool place_missing(std::span<const uint32_t> missing);
  bool make_region(uint32_t unit, bool for_hint);
  uint32_t find_victim(bool for_hint) const;
  void forget_old_hints() noexcept;
  bool make_room_for_hint(uint32_t unit);
  void drop(uint32_t unit) noexcept;
  void append(uint32_t unit) noexcept;
  void unlink(uint32_t unit) noexcept;

  std::vector<Entry> entries_;
  RegionAllocator regions_;
  uint32_t oldest_ = kNone;
  uint32_t newest_ = kNone;
  uint64_t pinned_bytes_ = 0;
  uint64_t hinted_bytes_ = 0;  // Of units that are hinted and not pinned.
  uint64_t evictions_ = 0;
  uint64_t claims_ = 0;
};

}  // namespace qload::internal
