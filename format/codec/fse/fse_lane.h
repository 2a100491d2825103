// A lane of an fse stream while it is decoded: its bits, its four states and where its bytes go.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "format/codec/fse/fse_table.h"

namespace qload {

/// States of a lane, which take turns: byte i comes from state i mod 4. Each look-up waits for the
/// state before it, so one state alone leaves a core idle; eight, in two lanes, keep it busy.
inline constexpr size_t kFseStateCount = 4;
/// Lanes of a stream at most. Four were slower than two: their numbers pass a core's registers.
inline constexpr size_t kFseLaneCountMax = 2;

/// Borrows stored and decoded bytes.
struct FseLane {
  std::span<const std::byte> stored;
  uint64_t bit_offset = 0;  ///< Bits of `stored` that are used up; may pass its end, then corrupt.
  std::array<uint32_t, kFseStateCount> states = {};
  std::span<std::byte> rest;  ///< What is still to decode; its first byte is state 0's.

  uint64_t bit_limit() const { return uint64_t{8} * stored.size(); }
};

/// Bytes of a lane that a round decodes.
inline constexpr size_t kFseRoundBytes = 4;

/// Decodes rounds in all lanes at once while every lane has a round left and enough stored bytes to
/// read without looking for their end. What it leaves is for the caller.
/// REQUIRES: states of the table; 1 or 2 lanes.
using FseRounds = void (*)(std::span<FseLane> lanes, const FseDecodeTable& table);

struct FseRoundsKernel {
  const char* name;
  FseRounds decode_rounds;
};

/// The kernels that this processor runs: the reference first, the fastest last.
std::span<const FseRoundsKernel> fse_rounds_kernels();

}  // namespace qload
