// The loop where an fse decoder spends its time, once in plain C++ and once for BMI2.
//
// A round gives four bytes of each lane, one of each state, from one load of 64 bits: four codes
// of at most 13 bits, and 7 bits that the round before used up. Where the next round begins
// follows from the four states alone, so the load of its bits overlaps the look-ups.
#include <algorithm>
#include <array>

#include "format/base/bytes.h"
#include "format/codec/fse/fse_lane.h"

namespace qload {
namespace {

static_assert(kFseRoundBytes * kFseTableLogMax + 7 <= 64 && kFseRoundBytes == kFseStateCount);

#define QLOAD_ALWAYS_INLINE __attribute__((always_inline)) inline

struct PortableBits {
  /// The lowest `entry.bit_count()` bits.
  static QLOAD_ALWAYS_INLINE uint64_t lowest(uint64_t bits, FseEntry entry) {
    return bits & ((uint64_t{1} << entry.bit_count()) - 1);
  }
};

#ifdef __x86_64__
struct Bmi2Bits {
  /// BZHI looks at the lowest byte of its count. By hand, because GCC 12 makes three instructions
  /// of the portable form even for BMI2, and takes the intrinsic only in functions of that target,
  /// which could not be shared with the portable kernel.
  static QLOAD_ALWAYS_INLINE uint64_t lowest(uint64_t bits, FseEntry entry) {
    uint64_t low;
    asm("bzhi %2, %1, %0" : "=r"(low) : "r"(bits), "r"(uint64_t{entry.packed()}) : "cc");
    return low;
  }
};
#endif

/// A round takes at most 52 bits of a lane, and reads 8 bytes where they begin.
constexpr size_t kRoundReadBytes = 8;
constexpr size_t kRoundBitsMax = kFseRoundBytes * kFseTableLogMax;

/// Rounds that surely stay within every lane.
size_t count_safe_rounds(std::span<const FseLane> lanes) {
  size_t rounds = SIZE_MAX;
  for (const FseLane& lane : lanes) {
    const uint64_t used = lane.bit_offset + 8 * kRoundReadBytes;
    if (used > lane.bit_limit()) return 0;
    rounds = std::min<size_t>(rounds, (lane.bit_limit() - used) / kRoundBitsMax + 1);
    rounds = std::min(rounds, lane.rest.size() / kFseRoundBytes);
  }
  return rounds;
}

/// What a lane keeps in registers: few enough for two lanes.
struct Registers {
  uint64_t bit_offset;  ///< From the start of lane 0.
  std::array<uint32_t, kFseStateCount> states;
};

template <class Bits>
QLOAD_ALWAYS_INLINE void decode_round(Registers& lane, const std::byte* stored,
                                      const FseEntry* table, std::byte* to) {
  uint64_t bits = load_le<uint64_t>(stored + lane.bit_offset / 8) >> lane.bit_offset % 8;
  uint32_t taken = 0;  // Sum of whole entries; its lowest byte is the sum of their bit counts.
#pragma GCC unroll 4
  for (size_t i = 0; i < kFseRoundBytes; ++i) {
    uint32_t& state = lane.states[i];
    const FseEntry entry = table[state];
    to[i] = entry.value();
    taken += entry.packed();
    state = entry.base() + static_cast<uint32_t>(Bits::lowest(bits, entry));
    bits >>= entry.packed() & 63;
  }
  lane.bit_offset += taken & 0xFF;
}

template <class Bits, size_t kLaneCount>
QLOAD_ALWAYS_INLINE void decode_rounds(FseLane* lanes, const FseEntry* table, size_t rounds) {
  // One base for both lanes, and one place to write, spare two registers.
  const std::byte* const stored = lanes[0].stored.data();
  std::byte* to = lanes[0].rest.data();
  const std::byte* const to_end = to + rounds * kFseRoundBytes;
  const std::ptrdiff_t to_lane = lanes[kLaneCount - 1].rest.data() - to;
  Registers registers[kLaneCount];
  for (size_t i = 0; i < kLaneCount; ++i) {
    const FseLane& lane = lanes[i];
    const auto first = static_cast<uint64_t>(lane.stored.data() - stored);
    registers[i] = {8 * first + lane.bit_offset, lane.states};
  }
  for (; to != to_end; to += kFseRoundBytes) {
    decode_round<Bits>(registers[0], stored, table, to);
    if constexpr (kLaneCount == 2) decode_round<Bits>(registers[1], stored, table, to + to_lane);
  }
  for (size_t i = 0; i < kLaneCount; ++i) {
    FseLane& lane = lanes[i];
    const auto first = static_cast<uint64_t>(lane.stored.data() - stored);
    lane.bit_offset = registers[i].bit_offset - 8 * first;
    lane.states = registers[i].states;
    lane.rest = lane.rest.subspan(rounds * kFseRoundBytes);
  }
}

/// A lane's codes are on average far shorter than the longest, so the rounds that are surely safe
/// grow again while they are done. Each pass does one at least.
template <class Bits>
QLOAD_ALWAYS_INLINE void decode_safe_rounds(std::span<FseLane> lanes, const FseDecodeTable& table) {
  while (const size_t rounds = count_safe_rounds(lanes)) {
    if (lanes.size() == 2) {
      decode_rounds<Bits, 2>(lanes.data(), table.data(), rounds);
    } else {
      decode_rounds<Bits, 1>(lanes.data(), table.data(), rounds);
    }
  }
}

void decode_rounds_portable(std::span<FseLane> lanes, const FseDecodeTable& table) {
  decode_safe_rounds<PortableBits>(lanes, table);
}

#ifdef __x86_64__
__attribute__((target("bmi2"))) void decode_rounds_bmi2(std::span<FseLane> lanes,
                                                        const FseDecodeTable& table) {
  decode_safe_rounds<Bmi2Bits>(lanes, table);
}

constexpr FseRoundsKernel kKernels[] = {{"portable", decode_rounds_portable},
                                        {"bmi2", decode_rounds_bmi2}};
#else
constexpr FseRoundsKernel kKernels[] = {{"portable", decode_rounds_portable}};
#endif

}  // namespace

std::span<const FseRoundsKernel> fse_rounds_kernels() {
#ifdef __x86_64__
  static const bool has_bmi2 = __builtin_cpu_supports("bmi2") != 0;
  return std::span(kKernels).first(has_bmi2 ? 2 : 1);
#else
  return kKernels;
#endif
}

}  // namespace qload
