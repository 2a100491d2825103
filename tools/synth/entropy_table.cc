#include "tools/synth/entropy_table.h"

#include <algorithm>
#include <numeric>

#include "format/base/bytes.h"
#include "tools/encode/entropy.h"

namespace qload::synth {

void ByteCounts::count(Encoding encoding, std::span<const std::byte> encoded) {
  for (const std::byte byte : encoded) ++bytes[static_cast<size_t>(byte)];
  if (encoding == Encoding::kBF16) {
    for (size_t i = 0; i + 2 <= encoded.size(); i += 2) {
      ++exponents[(load_le<uint16_t>(encoded.data() + i) >> 7) & 0xFF];
    }
  } else if (encoding == Encoding::kF32) {
    for (size_t i = 0; i + 4 <= encoded.size(); i += 4) {
      ++exponents[(load_le<uint32_t>(encoded.data() + i) >> 23) & 0xFF];
    }
  }
}

void ByteCounts::merge(const ByteCounts& other) {
  for (size_t i = 0; i < 256; ++i) {
    bytes[i] += other.bytes[i];
    exponents[i] += other.exponents[i];
  }
}

std::vector<KindEntropy> summarize_entropies(std::span<const TensorCounts> tensors) {
  std::vector<KindEntropy> kinds;
  for (const TensorCounts& tensor : tensors) {
    auto same = [&](const KindEntropy& k) {
      return k.kind == tensor.kind && k.encoding == tensor.encoding;
    };
    auto kind = std::find_if(kinds.begin(), kinds.end(), same);
    const double bits = encode::entropy_bits(tensor.counts.bytes);
    if (kind == kinds.end()) {
      KindEntropy first;
      first.kind = tensor.kind;
      first.encoding = tensor.encoding;
      first.byte_bits_min = bits;
      kind = kinds.insert(kinds.end(), first);
    }
    const uint64_t bytes =
        std::accumulate(tensor.counts.bytes.begin(), tensor.counts.bytes.end(), uint64_t{0});
    const auto weight = static_cast<double>(bytes);
    kind->tensors += 1;
    kind->bytes += bytes;
    kind->byte_bits += bits * weight;
    kind->exponent_bits += encode::entropy_bits(tensor.counts.exponents) * weight;
    kind->byte_bits_min = std::min(kind->byte_bits_min, bits);
    kind->byte_bits_max = std::max(kind->byte_bits_max, bits);
  }
  for (KindEntropy& kind : kinds) {
    if (kind.bytes == 0) continue;
    kind.byte_bits /= static_cast<double>(kind.bytes);
    kind.exponent_bits /= static_cast<double>(kind.bytes);
  }
  return kinds;
}

}  // namespace qload::synth
