// What lane_huffman would make of a histogram, without making it.
#include <algorithm>

#include "format/codec/codec_factories.h"
#include "format/codec/lane_huffman/choose_lane_code.h"

namespace qload {
namespace {

// Between these entropies a Huffman code of at most 8 bits costs 1.3 % over the entropy, within
// half a per cent. Below, its whole bits do not fit; above, 8 bits are too few for so many symbols,
// and what little there is to gain is in the byte's upper bits. There the code is made to see.
constexpr double kNearBitsMin = 2.5;
constexpr double kNearBitsMax = 7.2;
constexpr double kOverEntropy = 1.013;
// Nibbles cost a row of decoding for half the bytes: the encoder takes them for 1 %.
constexpr double kNibbleGain = 0.99;

/// A nibble's code has a bit or more, like a byte's.
double nibble_bits(const ByteCounts& counts, double total) {
  const ByteCounts nibbles = nibble_counts(counts);
  const auto entropy_bits = static_cast<double>(order_0_bits(nibbles));
  if (entropy_bits > kNearBitsMin * 2 * total) return entropy_bits * kOverEntropy;
  return static_cast<double>(choose_nibble_code(nibbles).bits);
}

double byte_bits(const ByteCounts& counts, double total, double entropy_bits) {
  if (entropy_bits > kNearBitsMin * total && entropy_bits < kNearBitsMax * total) {
    return entropy_bits * kOverEntropy;
  }
  return static_cast<double>(choose_lane_code(counts).bits);
}

}  // namespace

uint64_t estimate_lane_huffman_bytes(const ByteCounts& counts, uint64_t total) {
  const auto entropy_bits = static_cast<double>(order_0_bits(counts));
  const double in_bytes = byte_bits(counts, static_cast<double>(total), entropy_bits);
  const double in_nibbles = nibble_bits(counts, static_cast<double>(total));
  const double bits = in_nibbles < in_bytes * kNibbleGain ? in_nibbles : in_bytes;
  return std::min(static_cast<uint64_t>(bits / 8), total);
}

}  // namespace qload
