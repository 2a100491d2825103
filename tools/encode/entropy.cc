#include "tools/encode/entropy.h"

#include <cmath>
#include <numeric>

namespace qload::encode {

double entropy_bits(std::span<const uint64_t, 256> counts) {
  const auto total =
      static_cast<double>(std::accumulate(counts.begin(), counts.end(), uint64_t{0}));
  double bits = 0;
  for (const uint64_t count : counts) {
    if (count == 0) continue;
    const double share = static_cast<double>(count) / total;
    bits -= share * std::log2(share);
  }
  return bits;
}

}  // namespace qload::encode
