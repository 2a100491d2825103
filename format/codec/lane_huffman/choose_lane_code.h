// From a histogram to the code of a segment: raw bits, kept symbols, code lengths. Pure.
#pragma once

#include <cstdint>

#include "format/base/histogram.h"
#include "format/codec/lane_huffman/lane_code.h"

namespace qload {

struct ChosenLaneCode {
  LaneCode code;
  uint64_t bits = 0;  ///< What all symbols take, with raw bits and an estimate of escaped bytes.
};

/// The cheapest code found for bytes of these counts. Codes whose decode table is known by its
/// cells decode up to twice as fast; another is taken only when it saves 0.3 % or more. The same
/// counts give the same code on every machine: there is no floating point in it. REQUIRES: at least
/// one count is not zero; their sum is at most 2^32.
ChosenLaneCode choose_lane_code(const ByteCounts& counts);

/// How often each nibble occurs in bytes of these counts, in entries 0 to 15.
ByteCounts nibble_counts(const ByteCounts& counts);

/// The same for nibbles: counts[0..15], no raw bits, no escapes.
ChosenLaneCode choose_nibble_code(const ByteCounts& counts);

}  // namespace qload
