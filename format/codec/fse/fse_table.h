// The two sides of an fse table: what a decoder and an encoder look up.
//
// A state is a number from 0 to L - 1, L = 2^table_log: one entry of the table, which stands for
// one byte value. docs/format_fse.md says how entries are shared out and what each one holds.
#pragma once

#include <array>
#include <cstdint>

#include "format/codec/fse/fse_counts.h"

namespace qload {

/// What a decoder does in a state: give `value`, take `bit_count` bits, go to `base` plus them.
/// Packed into 32 bits so that one load fetches it, with the bit count lowest: shifts that look at
/// their lowest 6 bits only can then take the whole entry.
class FseEntry {
 public:
  FseEntry() = default;
  FseEntry(uint32_t base, uint8_t value, uint32_t bit_count)
      : packed_(base << 16 | static_cast<uint32_t>(value) << 8 | bit_count) {}

  uint32_t base() const { return packed_ >> 16; }
  std::byte value() const { return static_cast<std::byte>(packed_ >> 8); }
  uint32_t bit_count() const { return packed_ & 0xFF; }
  uint32_t packed() const { return packed_; }

 private:
  uint32_t packed_ = 0;
};

using FseDecodeTable = std::array<FseEntry, kFseTableEntriesMax>;

/// Fills the first 2^table_log entries. REQUIRES: counts that add up to that.
void build_decode_table(const FseCounts& counts, uint32_t table_log, FseDecodeTable& table);

/// How an encoder leaves state x for byte value v: with n = (x + L + steps[v].bits) >> 16, it
/// gives the low n bits of x and goes to next[((x + L) >> n) + steps[v].first].
/// States are kept with L added, so that both sums need no further addition.
struct FseEncodeTable {
  struct Step {
    uint32_t bits = 0;  ///< n, or one more, in the high half, less the bound between both.
    int32_t first = 0;  ///< Where the value's states begin in `next`, less its count.
  };
  std::array<Step, 256> steps;
  std::array<uint16_t, kFseTableEntriesMax> next;  ///< State + L, by value and occurrence.
};

/// REQUIRES: as build_decode_table.
void build_encode_table(const FseCounts& counts, uint32_t table_log, FseEncodeTable& table);

}  // namespace qload
