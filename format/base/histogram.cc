#include "format/base/histogram.h"

#include <bit>

#include "format/base/bytes.h"

namespace qload {
namespace {

constexpr uint32_t kFractionBits = 16;
constexpr uint32_t kTableBits = 10;

/// log2(1 + i / 2^kTableBits) in units of 2^-16, by repeated squaring: each bit of the logarithm is
/// whether the square of what is left passes 2.
constexpr uint32_t log2_of_mantissa(uint32_t i) {
  uint64_t x = (uint64_t{1} << 31) + (uint64_t{i} << (31 - kTableBits));  // In [1, 2), 31 bits.
  uint32_t log = 0;
  for (uint32_t bit = 0; bit < kFractionBits; ++bit) {
    x = x * x >> 31;
    log <<= 1;
    if (x >> 32 != 0) {
      x >>= 1;
      log |= 1;
    }
  }
  return log;
}

constexpr auto kLog2Table = [] {
  std::array<uint32_t, (1u << kTableBits) + 1> table = {};
  for (uint32_t i = 0; i < 1u << kTableBits; ++i) table[i] = log2_of_mantissa(i);
  table.back() = 1u << kFractionBits;
  return table;
}();

}  // namespace

ByteCounts count_bytes(std::span<const std::byte> bytes) {
  // Four tables: equal neighbours would wait for each other's increments in one. Written out, for
  // GCC 12 leaves such a loop rolled at -O2, at half the speed.
  std::array<ByteCounts, 4> counts = {};
  size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    const auto word = load_le<uint64_t>(bytes.data() + i);
    ++counts[0][word & 255];
    ++counts[1][word >> 8 & 255];
    ++counts[2][word >> 16 & 255];
    ++counts[3][word >> 24 & 255];
    ++counts[0][word >> 32 & 255];
    ++counts[1][word >> 40 & 255];
    ++counts[2][word >> 48 & 255];
    ++counts[3][word >> 56];
  }
  for (; i < bytes.size(); ++i) ++counts[0][static_cast<uint8_t>(bytes[i])];
  for (size_t byte = 0; byte < 256; ++byte) {
    counts[0][byte] += counts[1][byte] + counts[2][byte] + counts[3][byte];
  }
  return counts[0];
}

uint64_t log2_fixed(uint64_t value) {
  constexpr uint32_t kRestBits = 16;
  const auto exponent = static_cast<uint32_t>(std::bit_width(value)) - 1;
  // 26 bits of mantissa without its leading one: a table index and a rest to interpolate by.
  const uint64_t mantissa = (value << (63 - exponent) << 1) >> (64 - kTableBits - kRestBits);
  const uint64_t index = mantissa >> kRestBits;
  const uint64_t rest = mantissa & ((1u << kRestBits) - 1);
  const uint64_t below = kLog2Table[index];
  const uint64_t above = kLog2Table[index + 1];
  return (uint64_t{exponent} << kFractionBits) + below + ((above - below) * rest >> kRestBits);
}

uint64_t order_0_bits(std::span<const uint32_t> counts) {
  uint64_t total = 0;
  for (uint32_t count : counts) total += count;
  if (total == 0) return 0;
  const uint64_t log_total = log2_fixed(total);
  uint64_t bits = 0;  // Below 2^32 * 33 * 2^16.
  for (uint32_t count : counts) {
    if (count > 0) bits += count * (log_total - log2_fixed(count));
  }
  return (bits + (1u << kFractionBits) - 1) >> kFractionBits;
}

}  // namespace qload
