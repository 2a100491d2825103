// Computes in whole numbers, so that every machine takes the same table.
#include "format/codec/fse_plan.h"

#include <algorithm>
#include <array>
#include <bit>

namespace qload {
namespace {

constexpr uint32_t kFractionBits = 16;
constexpr uint32_t kCellBits = 8;

/// log2(1 + i / 256) in 1/65536, for i from 0 to 256, bit by bit: squaring a number doubles its
/// logarithm.
constexpr auto kLogarithms = [] {
  std::array<uint32_t, (1u << kCellBits) + 1> logarithms = {};
  for (uint64_t i = 0; i < logarithms.size(); ++i) {
    uint64_t power = (i << (31 - kCellBits)) + (1ull << 31);  // In [1, 2], with 31 bits behind.
    uint32_t logarithm = 0;
    for (uint32_t bit = 0; bit <= kFractionBits; ++bit) {
      logarithm <<= 1;
      if (power >= 1ull << 32) {
        power >>= 1;
        ++logarithm;
      }
      power = power * power >> 31;
    }
    logarithms[i] = logarithm;
  }
  return logarithms;
}();
static_assert(kLogarithms[0] == 0 && kLogarithms[128] == 38336 && kLogarithms[256] == 65536);

/// log2(number) in 1/65536, by straight lines between the table's points. REQUIRES: 1 to 2^16.
uint32_t logarithm_of(uint32_t number) {
  const auto whole = static_cast<uint32_t>(std::bit_width(number)) - 1;
  const uint32_t fraction = (number << (kFractionBits - whole)) - (1u << kFractionBits);
  const uint32_t cell = fraction >> (kFractionBits - kCellBits);
  const uint32_t within = fraction & ((1u << (kFractionBits - kCellBits)) - 1);
  const uint32_t step = kLogarithms[cell + 1] - kLogarithms[cell];
  return (whole << kFractionBits) + kLogarithms[cell] +
         (step * within >> (kFractionBits - kCellBits));
}

/// The bytes that data of this histogram takes: a value with c of L entries log2(L / c) bits.
uint64_t compute_code_bytes(const FseHistogram& histogram, const FseCounts& counts,
                            uint32_t table_log) {
  uint64_t bits = 0;
  for (size_t value = 0; value < 256; ++value) {
    if (histogram[value] == 0) continue;
    const uint64_t cost = (table_log << kFractionBits) - logarithm_of(counts[value]);
    bits += histogram[value] * cost;
  }
  return (bits >> kFractionBits) / 8;
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
