// Computes in whole numbers, so that every machine takes the same table.
#include "format/codec/fse/fse_plan.h"

#include <algorithm>
#include <bit>

#include "format/base/histogram.h"

namespace qload {
namespace {

/// The bytes that data of this histogram takes: a value with c of L entries log2(L / c) bits.
uint64_t compute_code_bytes(const FseHistogram& histogram, const FseCounts& counts,
                            uint32_t table_log) {
  uint64_t bits = 0;
  for (size_t value = 0; value < 256; ++value) {
    if (histogram[value] == 0) continue;
    const uint64_t cost = log2_fixed(uint64_t{1} << table_log) - log2_fixed(counts[value]);
    bits += histogram[value] * cost;
  }
  return bits >> 19;  // Units of 2^-16 bits.
}

}  // namespace

FsePlan plan_fse(const FseHistogram& histogram, uint64_t total) {
  const auto value_count = static_cast<uint64_t>(
      std::ranges::count_if(histogram, [](uint32_t occurrences) { return occurrences > 0; }));
  // Large data is described best by large tables; for small data their counts cost too much. The
  // four largest that suit the size hold the best one, or one that is not much worse.
  const uint32_t log_needed =
      std::max(kFseTableLogMin, static_cast<uint32_t>(std::bit_width(value_count - 1)));
  const uint32_t log_max = std::max(
      log_needed, std::min(kFseTableLogMax, static_cast<uint32_t>(std::bit_width(total)) - 1));
  const uint32_t log_min = std::max(log_needed, log_max - 3);

  FsePlan best;
  uint64_t bytes_least = UINT64_MAX / 2;
  for (uint32_t table_log = log_max; table_log >= log_min; --table_log) {
    FsePlan plan{.table_log = table_log};
    plan.counts = normalise_counts(histogram, table_log);
    write_counts(plan.counts, table_log, plan.counts_form);
    plan.computed_bytes =
        plan.counts_form.size + compute_code_bytes(histogram, plan.counts, table_log);
    bytes_least = std::min(bytes_least, plan.computed_bytes);
    if (plan.computed_bytes <= bytes_least + bytes_least / 1024) best = plan;
  }
  return best;
}

}  // namespace qload
