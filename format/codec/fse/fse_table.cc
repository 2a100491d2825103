#include "format/codec/fse/fse_table.h"

#include <bit>

namespace qload {
namespace {

using SpreadValues = std::array<uint8_t, kFseTableEntriesMax>;

/// The byte value of each state. The step is odd, so it visits every entry of a power of two once
/// before it is back at 0, and a value's entries lie about evenly.
void spread_values(const FseCounts& counts, uint32_t table_log, SpreadValues& values) {
  const uint32_t entries = 1u << table_log;
  const uint32_t step = (entries >> 1) + (entries >> 3) + 3;
  uint32_t state = 0;
  for (uint32_t value = 0; value < 256; ++value) {
    for (uint32_t i = 0; i < counts[value]; ++i) {
      values[state] = static_cast<uint8_t>(value);
      state = (state + step) & (entries - 1);
    }
  }
}

/// Bits that bring `occurrence`, in [1, 2L), up to [L, 2L).
uint32_t bits_to_range(uint32_t occurrence, uint32_t table_log) {
  return table_log + 1 - static_cast<uint32_t>(std::bit_width(occurrence));
}

}  // namespace

void build_decode_table(const FseCounts& counts, uint32_t table_log, FseDecodeTable& table) {
  SpreadValues values;
  spread_values(counts, table_log, values);
  const uint32_t entries = 1u << table_log;
  // A value with count c has the occurrences c to 2c - 1, in the order of its states.
  FseCounts occurrences = counts;
  for (uint32_t state = 0; state < entries; ++state) {
    const uint8_t value = values[state];
    const uint32_t occurrence = occurrences[value]++;
    const uint32_t bit_count = bits_to_range(occurrence, table_log);
    table[state] = FseEntry((occurrence << bit_count) - entries, value, bit_count);
  }
}

void build_encode_table(const FseCounts& counts, uint32_t table_log, FseEncodeTable& table) {
  SpreadValues values;
  spread_values(counts, table_log, values);
  const uint32_t entries = 1u << table_log;
  std::array<uint32_t, 256> next_at;
  uint32_t first = 0;
  for (uint32_t value = 0; value < 256; ++value) {
    next_at[value] = first;
    const uint32_t count = counts[value];
    if (count == 0) continue;  // Never asked for.
    // A state y = x + L in [L, 2L) gives n bits so that y >> n is in [c, 2c): the larger of two
    // n from y = c << n on. Example: L = 32, c = 3: n is 3 below 48 (y >> 3 is 4 or 5) and 4 from
    // 48 on (y >> 4 is 3), so `bits` is (4 << 16) - 48.
    const uint32_t bits_max = table_log + 1 - static_cast<uint32_t>(std::bit_width(count - 1));
    table.steps[value] = {(bits_max << 16) - (count << bits_max),
                          static_cast<int32_t>(first) - static_cast<int32_t>(count)};
    first += count;
  }
  for (uint32_t state = 0; state < entries; ++state) {
    table.next[next_at[values[state]]++] = static_cast<uint16_t>(entries + state);
  }
}

}  // namespace qload
