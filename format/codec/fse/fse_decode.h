// Decoding one fse stream, as docs/format_fse.md lays it out.
#pragma once

#include <cstddef>
#include <span>

#include "format/codec/fse/fse_lane.h"
#include "format/codec/fse/fse_table.h"
#include "qload/result.h"

namespace qload {

/// The first byte of a stream: the table log in its low bits, 0 for the stored form, and a bit
/// that is set for two lanes.
inline constexpr uint32_t kFseTableLogMask = 0x0F;
inline constexpr uint32_t kFseTwoLanesBit = 0x10;

/// Lane 0 has the first half of `decoded_bytes`, rounded down, and lane 1 the others; a lone lane
/// has them all.
inline size_t fse_lane_bytes(size_t decoded_bytes, size_t lane_count, size_t lane) {
  if (lane_count == 1) return decoded_bytes;
  return lane == 0 ? decoded_bytes / 2 : decoded_bytes - decoded_bytes / 2;
}

/// Fills exactly `decoded` from exactly `stored`; anything else is kCorrupt. `table` is working
/// memory, and `kernel` one of fse_rounds_kernels().
Status decode_fse(std::span<const std::byte> stored, std::span<std::byte> decoded,
                  const FseRoundsKernel& kernel, FseDecodeTable& table);

}  // namespace qload
