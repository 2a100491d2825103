// Order-0 entropy of counted symbols.
#pragma once

#include <cstdint>
#include <span>

namespace qload::encode {

/// Bits for each symbol; 0 when nothing was counted.
double entropy_bits(std::span<const uint64_t, 256> counts);

}  // namespace qload::encode
