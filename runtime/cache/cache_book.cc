#include "runtime/cache/cache_book.h"

#include "format/base/assert.h"

namespace qload::internal {

CacheBook::CacheBook(std::span<const uint64_t> unit_bytes, uint64_t capacity_bytes,
                     uint64_t granule)
    : entries_(unit_bytes.size()), regions_(RegionAllocator::create(capacity_bytes, granule)) {
  for (size_t unit = 0; unit < unit_bytes.size(); ++unit) {
    Entry& entry = entries_[unit];
    entry.bytes = regions_.rounded(unit_bytes[unit]);
    if (entry.bytes == 0) entry.place = Place::kReady;
  }
}

// Every change of what a unit counts as goes through here, so that the sums are right.
template <class Change>
void CacheBook::change(uint32_t unit, Change&& apply) {
  Entry& entry = entries_[unit];
  const auto sum_of = [&]() -> uint64_t* {
    if (entry.pinned()) return &pinned_bytes_;
    return entry.hinted ? &hinted_bytes_ : nullptr;
  };
  if (uint64_t* sum = sum_of()) *sum -= entry.bytes;
  apply(entry);
  if (uint64_t* sum = sum_of()) *sum += entry.bytes;
}

CacheBook::Refusal CacheBook::refusal(uint64_t needed_bytes, uint64_t others_bytes) const {
  return {.needed_bytes = needed_bytes,
          .pinned_bytes = others_bytes,
          .largest_free = regions_.largest_free(),
          .fragmented = others_bytes + needed_bytes <= regions_.bytes()};
}

std::optional<CacheBook::Refusal> CacheBook::claim(std::span<const uint32_t> units,
                                                   std::vector<uint32_t>& missing) {
  ++claims_;
  uint64_t needed_bytes = 0;
  uint64_t others_bytes = pinned_bytes_;
  for (const uint32_t unit : units) {
    QLOAD_ASSERT(!loading(unit));
    needed_bytes += entries_[unit].bytes;
    if (entries_[unit].pinned()) others_bytes -= entries_[unit].bytes;
  }
  if (others_bytes + needed_bytes > regions_.bytes()) return refusal(needed_bytes, others_bytes);
  // Held from here on: room for one unit is not made at the cost of another of the same claim.
  const size_t first_missing = missing.size();
  for (const uint32_t unit : units) {
    hold(unit);
    if (!ready(unit)) missing.push_back(unit);
  }
  bool placed = false;
  const auto give_up = [&] {
    missing.resize(first_missing);
    for (const uint32_t unit : units) release(unit);
  };
  try {
    placed = place_missing(std::span(missing).subspan(first_missing));
  } catch (...) {
    give_up();
    throw;
  }
  if (!placed) {
    give_up();
    return refusal(needed_bytes, others_bytes);
  }
  for (const uint32_t unit : units) {
    change(unit, [](Entry& entry) { entry.hinted = false; });
    if (entries_[unit].bytes == 0) continue;
    unlink(unit);
    append(unit);
  }
  return std::nullopt;
}

// All or none.
bool CacheBook::place_missing(std::span<const uint32_t> missing) {
  size_t count = 0;
  const auto undo = [&] {
    while (count > 0) drop(missing[--count]);
  };
  try {
    for (; count < missing.size(); ++count) {
      if (make_region(missing[count], false)) continue;
      undo();
      return false;
    }
  } catch (...) {
    undo();
    throw;
  }
  return true;
}

// Evicts until a region is free: by bytes that is no more than an ideal cache would, unless what is
// free lies in pieces.
bool CacheBook::make_region(uint32_t unit, bool for_hint) {
  const uint64_t bytes = entries_[unit].bytes;
  std::optional<uint64_t> offset;
  while (!(offset = regions_.allocate(bytes, 1))) {
    const uint32_t victim = find_victim(for_hint);
    if (victim == kNone) return false;
    drop(victim);
    ++evictions_;
  }
  change(unit, [&](Entry& entry) {
    entry.offset = *offset;
    entry.place = Place::kLoading;
  });
  return true;
}

uint32_t CacheBook::find_victim(bool for_hint) const {
  uint32_t unit = oldest_;
  while (unit != kNone && (entries_[unit].pinned() || (for_hint && entries_[unit].hinted))) {
    unit = entries_[unit].newer;
  }
  return unit;
}

bool CacheBook::make_room_for_hint(uint32_t unit) {
  const uint64_t bytes = entries_[unit].bytes;
  return pinned_bytes_ + hinted_bytes_ + bytes <= regions_.bytes() && make_region(unit, true);
}

void CacheBook::forget_old_hints() noexcept {
  for (uint32_t unit = oldest_; unit != kNone; unit = entries_[unit].newer) {
    if (!entries_[unit].hinted || claims_ - entries_[unit].hinted_at < kHintClaims) continue;
    change(unit, [](Entry& entry) { entry.hinted = false; });
  }
}

CacheBook::Hint CacheBook::claim_hint(uint32_t unit) {
  const Entry& entry = entries_[unit];
  if (entry.bytes == 0) return Hint::kPresent;
  const bool absent = entry.place == Place::kAbsent;
  if (absent && !make_room_for_hint(unit)) {
    forget_old_hints();
    if (!make_room_for_hint(unit)) return Hint::kDropped;
  }
  change(unit, [&](Entry& changed) {
    changed.hinted = true;
    changed.hinted_at = claims_;
  });
  unlink(unit);
  append(unit);
  return absent ? Hint::kLoad : Hint::kPresent;
}

void CacheBook::finish(uint32_t unit, bool loaded) noexcept {
  QLOAD_ASSERT(loading(unit));
  if (!loaded) return drop(unit);
  change(unit, [](Entry& entry) { entry.place = Place::kReady; });
}

void CacheBook::hold(uint32_t unit) noexcept {
  change(unit, [](Entry& entry) { ++entry.holds; });
}

void CacheBook::release(uint32_t unit) noexcept {
  QLOAD_ASSERT(entries_[unit].holds > 0);
  change(unit, [](Entry& entry) { --entry.holds; });
}

// From ready or loading to absent.
void CacheBook::drop(uint32_t unit) noexcept {
  QLOAD_ASSERT(entries_[unit].place != Place::kAbsent && entries_[unit].bytes > 0);
  regions_.free(entries_[unit].offset);
  change(unit, [](Entry& entry) {
    entry.place = Place::kAbsent;
    entry.hinted = false;
  });
  unlink(unit);
}

void CacheBook::append(uint32_t unit) noexcept {
  entries_[unit].older = newest_;
  (newest_ == kNone ? oldest_ : entries_[newest_].newer) = unit;
  newest_ = unit;
}

// Nothing when it is not in the order.
void CacheBook::unlink(uint32_t unit) noexcept {
  Entry& entry = entries_[unit];
  if (entry.older == kNone && oldest_ != unit) return;
  (entry.older == kNone ? oldest_ : entries_[entry.older].newer) = entry.newer;
  (entry.newer == kNone ? newest_ : entries_[entry.newer].older) = entry.older;
  entry.older = kNone;
  entry.newer = kNone;
}

}  // namespace qload::internal
