// From how often bytes occur to how many table entries each gets.
//
// A value with share p of the data and c of L entries costs log2(L / c) bits each time it occurs.
// One entry more saves h log2((c + 1) / c) bits over its h occurrences, which is close to
// h / (c + 1/2): always giving the next entry to the value with the largest h / (2c + 1) is the
// method of Sainte-Laguë, and rounding h L / n is almost its result.
#include <algorithm>
#include <numeric>

#include "format/base/assert.h"
#include "format/codec/fse/fse_counts.h"

namespace qload {
namespace {

/// The value that an entry more serves best.
size_t find_to_raise(const FseHistogram& histogram, const FseCounts& counts) {
  const auto weight = [&](size_t value) { return 2ull * counts[value] + 1; };
  size_t best = 256;
  for (size_t value = 0; value < 256; ++value) {
    if (counts[value] == 0) continue;
    if (best == 256 || histogram[value] * weight(best) > histogram[best] * weight(value)) {
      best = value;
    }
  }
  return best;
}

/// The value that misses an entry least; never its last one.
size_t find_to_lower(const FseHistogram& histogram, const FseCounts& counts) {
  const auto weight = [&](size_t value) { return 2ull * counts[value] - 1; };
  size_t best = 256;
  for (size_t value = 0; value < 256; ++value) {
    if (counts[value] <= 1) continue;
    if (best == 256 || histogram[value] * weight(best) < histogram[best] * weight(value)) {
      best = value;
    }
  }
  return best;
}

}  // namespace

FseCounts normalise_counts(const FseHistogram& histogram, uint32_t table_log) {
  const uint64_t entries = 1ull << table_log;
  const uint64_t total = std::accumulate(histogram.begin(), histogram.end(), uint64_t{0});
  QLOAD_ASSERT(total > 0);
  FseCounts counts = {};
  uint64_t sum = 0;
  for (size_t value = 0; value < 256; ++value) {
    if (histogram[value] == 0) continue;
    const uint64_t rounded = (histogram[value] * entries + total / 2) / total;
    counts[value] = static_cast<uint16_t>(std::max<uint64_t>(rounded, 1));
    sum += counts[value];
  }
  // At most 256 steps in all: each value is off by less than one entry.
  for (; sum < entries; ++sum) ++counts[find_to_raise(histogram, counts)];
  for (; sum > entries; --sum) {
    const size_t value = find_to_lower(histogram, counts);
    QLOAD_ASSERT(value < 256);
    --counts[value];
  }
  return counts;
}

}  // namespace qload
