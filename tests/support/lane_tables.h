// Random decode and encode tables of lane_huffman, for comparing kernels.
#pragma once

#include <cstdint>
#include <random>

#include "format/codec/lane_huffman/lane_kernel.h"

namespace qload::test {

enum class TableKind { kFree, kCells, kCompact };

/// A table of that kind with random codes, valid for every peek. Any bytes are a stream for it.
LaneTable random_lane_table(std::mt19937_64& random, TableKind kind, uint32_t raw_bits,
                            uint32_t groups, bool escapes);

/// Random code lengths of 0 to 8 bits and codes of those lengths, for every byte.
LaneEncodeTable random_lane_encode_table(std::mt19937_64& random, uint32_t groups);

}  // namespace qload::test
