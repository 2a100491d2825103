// Package-merge, with packages kept as counts. Level by level, the lightest pairs of the level
// below are packaged and merged with the items, lightest first. Choosing the 2n - 2 lightest of the
// last level opens packages down to the first; an item's length is the number of levels that chose
// it. In each level the items chosen are a prefix of the sorted items, so it is enough to know, for
// each level, which of its entries are packages.
#include "format/codec/lane_huffman/length_limited.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "format/base/assert.h"

namespace qload {
namespace {

constexpr size_t kItemsMax = 257;
constexpr size_t kLevelsMax = 8;

/// One level: at most all items and half of the level below.
struct Level {
  std::array<uint64_t, 2 * kItemsMax> weight;
  std::array<bool, 2 * kItemsMax> package;
  size_t count = 0;
};

/// Items and the packages of `below`, lightest first; items first among equals.
void merge_level(std::span<const uint64_t> items, const Level& below, Level& level) {
  const size_t package_count = below.count / 2;
  size_t item = 0;
  size_t package = 0;
  level.count = 0;
  while (item < items.size() || package < package_count) {
    const uint64_t pair = package < package_count
                              ? below.weight[2 * package] + below.weight[2 * package + 1]
                              : UINT64_MAX;
    const bool take_item = item < items.size() && items[item] <= pair;
    level.weight[level.count] = take_item ? items[item] : pair;
    level.package[level.count] = !take_item;
    ++level.count;
    take_item ? ++item : ++package;
  }
}

}  // namespace

void make_length_limited_code(std::span<const uint64_t> weights, uint32_t length_max,
                              std::span<uint8_t> lengths) {
  const size_t count = weights.size();
  QLOAD_ASSERT(count >= 1 && count <= kItemsMax && lengths.size() == count);
  QLOAD_ASSERT(length_max <= kLevelsMax && count <= size_t{1} << length_max);
  std::ranges::fill(lengths, uint8_t{0});
  if (count == 1) return;
  std::array<uint16_t, kItemsMax> order;
  std::iota(order.begin(), order.begin() + count, uint16_t{0});
  std::stable_sort(order.begin(), order.begin() + count,
                   [&](uint16_t a, uint16_t b) { return weights[a] < weights[b]; });
  std::array<uint64_t, kItemsMax> sorted;
  for (size_t i = 0; i < count; ++i) sorted[i] = weights[order[i]];
  const std::span<const uint64_t> items(sorted.data(), count);

  static const Level kNothing = {};
  std::array<Level, kLevelsMax> levels;
  for (uint32_t i = 0; i < length_max; ++i) {
    merge_level(items, i == 0 ? kNothing : levels[i - 1], levels[i]);
  }
  size_t chosen = 2 * count - 2;
  for (uint32_t i = length_max; i-- > 0;) {
    const auto packages = static_cast<size_t>(
        std::count(levels[i].package.begin(), levels[i].package.begin() + chosen, true));
    for (size_t item = 0; item < chosen - packages; ++item) ++lengths[order[item]];
    chosen = 2 * packages;
  }
}

}  // namespace qload
