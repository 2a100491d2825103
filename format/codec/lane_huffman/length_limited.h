// Optimal prefix codes with a longest length.
#pragma once

#include <cstdint>
#include <span>

namespace qload {

/// Lengths of a code that minimises sum(weights[i] * lengths[i]) with no length above
/// `length_max`, by package-merge (Larmore and Hirschberg, "A fast algorithm for optimal
/// length-limited Huffman codes", 1990). Items of weight 0 get a length too. One item alone gets
/// length 0. Deterministic: among equals, the item of the lower number gets the longer code.
/// REQUIRES: 1 <= weights.size() <= 257, lengths.size() == weights.size(), length_max <= 8 and
/// weights.size() <= 2^length_max; the weights' sum is below 2^40.
void make_length_limited_code(std::span<const uint64_t> weights, uint32_t length_max,
                              std::span<uint8_t> lengths);

}  // namespace qload
