// The least-recently-used cache of the textbook, to compare with: bytes only, no regions, no holds.
#pragma once

#include <algorithm>
#include <cstdint>
#include <list>
#include <span>
#include <unordered_map>

namespace qload::bench {

/// Counts the hits of a sequence of accesses. Written for clarity; shares nothing with the library.
class IdealLru {
 public:
  struct Item {
    uint32_t number = 0;
    uint64_t bytes = 0;  ///< The same at every access.
  };

  explicit IdealLru(uint64_t capacity_bytes) : capacity_bytes_(capacity_bytes) {}

  /// Accesses `items`, all different, at once: none of them makes room for another.
  void access(std::span<const Item> items) {
    for (const Item& item : items) {
      const auto found = places_.find(item.number);
      if (found == places_.end()) continue;
      ++hits_;
      order_.splice(order_.end(), order_, found->second);
    }
    for (const Item& item : items) {
      if (places_.contains(item.number)) continue;
      ++misses_;
      while (used_bytes_ + item.bytes > capacity_bytes_ && evict_one(items)) {
      }
      if (used_bytes_ + item.bytes > capacity_bytes_) continue;
      places_[item.number] = order_.insert(order_.end(), item);
      used_bytes_ += item.bytes;
    }
    // In the order of access, whoever was there before.
    for (const Item& item : items) {
      const auto found = places_.find(item.number);
      if (found != places_.end()) order_.splice(order_.end(), order_, found->second);
    }
  }
  void access(const Item& item) { access(std::span(&item, 1)); }

  uint64_t hits() const { return hits_; }
  uint64_t misses() const { return misses_; }

 private:
  bool evict_one(std::span<const Item> spared) {
    const auto victim = std::ranges::find_if(order_, [&](const Item& item) {
      return std::ranges::find(spared, item.number, &Item::number) == spared.end();
    });
    if (victim == order_.end()) return false;
    used_bytes_ -= victim->bytes;
    places_.erase(victim->number);
    order_.erase(victim);
    return true;
  }

  const uint64_t capacity_bytes_;
  uint64_t used_bytes_ = 0;
  uint64_t hits_ = 0;
  uint64_t misses_ = 0;
  std::list<Item> order_;  // Least recently used first.
  std::unordered_map<uint32_t, std::list<Item>::iterator> places_;
};

}  // namespace qload::bench
