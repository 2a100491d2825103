// Byte histograms and what an ideal order-0 code would make of them, in whole numbers: the same
// answer on every machine.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace qload {

using ByteCounts = std::array<uint32_t, 256>;

/// How often each byte occurs. REQUIRES: fewer than 2^32 bytes.
ByteCounts count_bytes(std::span<const std::byte> bytes);

/// log2(value) in units of 2^-16, rounded down to within 2. REQUIRES: value > 0.
uint64_t log2_fixed(uint64_t value);

/// The order-0 entropy of all the bytes counted, in bits, rounded up: sum of c log2(total / c).
uint64_t order_0_bits(std::span<const uint32_t> counts);

}  // namespace qload
