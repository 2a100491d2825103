// Decoding with NEON: 64 lanes are four registers of 16, stepped as two halves of 32 lanes.
//
// Half and half, because a step is a long chain (peek, look up, which lanes refill, shuffle index,
// next byte) and the halves' chains meet only in the stream's pointer: while one half waits for its
// shuffle indexes the other one looks up. One group after the other, because one group's windows
// and tables fill the 32 registers, and a stored register costs a vector slot as any other step.
#include <arm_neon.h>

#include "format/codec/lane_huffman/lane_kernels.h"
#include "format/codec/lane_huffman/lane_neon.h"

namespace qload {
namespace {

#define QLOAD_INLINE [[gnu::always_inline]] inline

/// bytes[m]: where 8 lanes find their next bytes in a register when the lanes of m refill, the
/// first of them at `first`. The others are out of the register's range, which leaves them as they
/// are.
struct ExpandIndexes {
  alignas(64) uint8_t bytes[256][8];
};

constexpr ExpandIndexes expand_indexes(uint32_t first) {
  ExpandIndexes indexes = {};
  for (uint32_t mask = 0; mask < 256; ++mask) {
    uint32_t at = first;
    for (uint32_t lane = 0; lane < 8; ++lane) {
      const bool refill = (mask >> lane & 1) != 0;
      indexes.bytes[mask][lane] = static_cast<uint8_t>(refill ? at : 255);
      at += refill;
    }
  }
  return indexes;
}

constexpr ExpandIndexes kExpandLow = expand_indexes(0);
constexpr ExpandIndexes kExpandHigh = expand_indexes(8);

/// How a table is looked up, from the cheapest.
enum class LookupKind {
  kCells,  ///< LaneTable::cells.
  kTail,   ///< By cells, which hold one symbol each, but for the last 64 entries.
  kFree,   ///< By entries, all 256.
};

bool cell_has_one_symbol(const LaneTable& table, uint32_t cell) {
  const uint8_t* symbol = table.symbol + 4 * cell;
  const uint8_t* length = table.length + 4 * cell;
  bool same = true;
  for (uint32_t k = 1; k < 4; ++k) same &= symbol[k] == symbol[0] && length[k] == length[0];
  return same;
}

/// Whether the symbols of a table of cells leave room for the raw bits: the shift that makes the
/// room inserts them.
bool symbols_leave_room(const LaneTable& table) {
  uint32_t bits = 0;
  for (uint8_t symbol : table.cell_symbol) bits |= symbol;
  return (bits & ((1u << table.raw_bits) - 1)) == 0;
}

LookupKind lookup_kind(const LaneTable& table) {
  if (table.cells && symbols_leave_room(table)) return LookupKind::kCells;
  for (uint32_t cell = 0; cell < 48; ++cell) {
    if (!cell_has_one_symbol(table, cell)) return LookupKind::kFree;
  }
  return LookupKind::kTail;
}

/// Where prepared tables lie. All hold lengths less 8: the shift that leaves a code of its peek.
constexpr size_t kCellSymbol = 0;
constexpr size_t kCellShift = 64;
constexpr size_t kTailSymbol = 128;
constexpr size_t kTailShift = 192;
constexpr size_t kFreeSymbol = 0;
constexpr size_t kFreeShift = 256;

void prepare(const LaneTable& table, LanePrepared& prepared) {
  const LookupKind kind = lookup_kind(table);
  uint8_t* bytes = prepared.bytes;
  if (kind == LookupKind::kFree) {
    for (uint32_t peek = 0; peek < 256; ++peek) {
      bytes[kFreeSymbol + peek] = table.symbol[peek];
      bytes[kFreeShift + peek] = static_cast<uint8_t>(table.length[peek] - 8);
    }
    return;
  }
  for (uint32_t i = 0; i < 64; ++i) {
    const uint32_t length = table.length[4 * i];
    // The symbol of a peek in cell i, without its raw bits, is (peek >> (8 - length)) + this.
    const uint32_t offset = (table.symbol[4 * i] >> table.raw_bits) - (4 * i >> (8 - length));
    const bool cells = kind == LookupKind::kCells;
    bytes[kCellSymbol + i] = static_cast<uint8_t>(cells ? offset : table.symbol[4 * i]);
    bytes[kCellShift + i] = static_cast<uint8_t>(length - 8);
    bytes[kTailSymbol + i] = table.symbol[192 + i];
    bytes[kTailShift + i] = static_cast<uint8_t>(table.length[192 + i] - 8);
  }
}

struct Decoded {
  uint8x16_t symbol;
  uint8x16_t shift;
};

class CellLookup {
 public:
  /// Symbols are yet to be shifted left by the raw bits.
  static constexpr bool kShiftsSymbols = true;
  explicit CellLookup(const LanePrepared& prepared)
      : symbol_(vld1q_u8_x4(prepared.bytes + kCellSymbol)),
        shift_(vld1q_u8_x4(prepared.bytes + kCellShift)) {}
  QLOAD_INLINE Decoded find(uint8x16_t peek) const {
    const uint8x16_t cell = vshrq_n_u8(peek, 2);
    const uint8x16_t shift = vqtbl4q_u8(shift_, cell);
    const uint8x16_t code = vshlq_u8(peek, vreinterpretq_s8_u8(shift));
    return {vaddq_u8(code, vqtbl4q_u8(symbol_, cell)), shift};
  }

 private:
  uint8x16x4_t symbol_;
  uint8x16x4_t shift_;
};

class TailLookup {
 public:
  static constexpr bool kShiftsSymbols = false;
  explicit TailLookup(const LanePrepared& prepared) : bytes_(prepared.bytes) {}
  QLOAD_INLINE Decoded find(uint8x16_t peek) const {
    const uint8x16_t cell = vshrq_n_u8(peek, 2);
    const uint8x16_t tail = vsubq_u8(peek, vdupq_n_u8(192));
    const uint8x16_t shift = vqtbl4q_u8(vld1q_u8_x4(bytes_ + kCellShift), cell);
    const uint8x16_t symbol = vqtbl4q_u8(vld1q_u8_x4(bytes_ + kCellSymbol), cell);
    return {neon_lookup64(symbol, bytes_ + kTailSymbol, tail),
            neon_lookup64(shift, bytes_ + kTailShift, tail)};
  }

 private:
  const uint8_t* bytes_;
};

class FreeLookup {
 public:
  static constexpr bool kShiftsSymbols = false;
  explicit FreeLookup(const LanePrepared& prepared) : bytes_(prepared.bytes) {}
  QLOAD_INLINE Decoded find(uint8x16_t peek) const {
    return {neon_lookup256(bytes_ + kFreeSymbol, peek), neon_lookup256(bytes_ + kFreeShift, peek)};
  }

 private:
  const uint8_t* bytes_;
};

/// The raw bits of 16 lanes as the low bits of their bytes; what stands above them is unspecified.
/// `i` is which 16 lanes.
template <uint32_t kRawBits, int i>
QLOAD_INLINE uint8x16_t raw_bits_of(const uint8_t* raw) {
  if constexpr (kRawBits == 4) {
    const uint8x16_t bits = vld1q_u8(raw + 16 * (i & 1));
    if constexpr (i < 2) return bits;
    return vshrq_n_u8(bits, 4);
  } else {
    uint8x16_t bits = vdupq_n_u8(0);
    if constexpr (kRawBits & 1) {
      const uint8_t* single = raw + (kRawBits == 3 ? 16 : 0);
      const int8x16_t down = vcombine_s8(vdup_n_s8(-2 * i), vdup_n_s8(-2 * i - 1));
      const uint8x8_t byte = vld1_u8(single);
      bits = vshlq_u8(vcombine_u8(byte, byte), down);
    }
    if constexpr (kRawBits >= 2) {
      uint8x16_t pairs = vld1q_u8(raw);
      if constexpr (i > 0) pairs = vshrq_n_u8(pairs, 2 * i);
      bits = kRawBits == 3 ? vsliq_n_u8(pairs, bits, 2) : pairs;
    }
    return bits;
  }
}

template <uint32_t kRawBits, int i, bool kShiftsSymbols>
QLOAD_INLINE uint8x16_t with_raw_bits(uint8x16_t symbol, const uint8_t* raw) {
  if constexpr (kRawBits == 0) {
    return symbol;
  } else {
    const uint8x16_t bits = raw_bits_of<kRawBits, i>(raw);
    if constexpr (kShiftsSymbols) return vsliq_n_u8(bits, symbol, kRawBits);
    return vorrq_u8(symbol, vandq_u8(bits, vdupq_n_u8((1 << kRawBits) - 1)));
  }
}

/// 16 lanes' windows.
struct Lanes {
  uint8x16_t high;
  uint8x16_t low;
  uint8x16_t position;
};

/// The part of a row's step that needs no stream byte. Returns the peek; `refill` says which lanes
/// are to take a byte.
template <uint32_t kRawBits, int i, typename Lookup>
QLOAD_INLINE uint8x16_t step(const Lookup& lookup, Lanes& lanes, const uint8_t* raw, uint8_t* row,
                             uint8x16_t& refill) {
  const int8x16_t up = vreinterpretq_s8_u8(lanes.position);
  const int8x16_t down = vsubq_s8(up, vdupq_n_s8(8));
  const uint8x16_t peek = vorrq_u8(vshlq_u8(lanes.high, up), vshlq_u8(lanes.low, down));
  const Decoded decoded = lookup.find(peek);
  const uint8x16_t whole = with_raw_bits<kRawBits, i, Lookup::kShiftsSymbols>(decoded.symbol, raw);
  vst1q_u8(row + 16 * i, whole);
  const uint8x16_t beyond = vaddq_u8(lanes.position, decoded.shift);
  refill = vcgezq_s8(vreinterpretq_s8_u8(beyond));
  lanes.position = vandq_u8(beyond, vdupq_n_u8(7));
  lanes.high = vbslq_u8(refill, lanes.low, lanes.high);
  return peek;
}

/// Bit j mod 8 in byte j: a mask and these, summed by pairs three times, is a bit for each lane.
QLOAD_INLINE uint8x16_t lane_bits() {
  return vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201));
}

/// The value in a general register, once: GCC 12 fetches it from the vector again for each use.
QLOAD_INLINE uint32_t in_register(uint32_t value) {
  asm("" : "+r"(value));
  return value;
}

/// 32 lanes, and what their last step left to be done.
struct Half {
  Lanes first;
  Lanes second;
  uint32_t refill_mask;  ///< Lanes that are to take a byte: 8 lanes in each byte.
  uint32_t refill_ends;  ///< How many do, up to the end of each 8.
  uint8x16_t escaped;    ///< Bit 7: the lanes of `first` that are escaped; bit 6: of `second`.
};

template <uint32_t kRawBits, int h, bool kEscapes, typename Lookup>
QLOAD_INLINE void step_half(const Lookup& lookup, Half& half, uint8x16_t escape_start,
                            const uint8_t* raw, uint8_t* row) {
  const uint8x16_t bit = lane_bits();
  uint8x16_t first;
  uint8x16_t second;
  const uint8x16_t peek = step<kRawBits, 2 * h>(lookup, half.first, raw, row, first);
  const uint8x16_t other = step<kRawBits, 2 * h + 1>(lookup, half.second, raw, row, second);
  uint8x16_t sums = vpaddq_u8(vandq_u8(first, bit), vandq_u8(second, bit));
  sums = vpaddq_u8(sums, sums);
  const uint8x8_t masks = vget_low_u8(vpaddq_u8(sums, sums));
  half.refill_mask = in_register(vget_lane_u32(vreinterpret_u32_u8(masks), 0));
  half.refill_ends =
      in_register(vget_lane_u32(vreinterpret_u32_u8(vcnt_u8(masks)), 0)) * 0x01010101u;
  if constexpr (kEscapes) {
    half.escaped = vsriq_n_u8(vcgeq_u8(peek, escape_start), vcgeq_u8(other, escape_start), 1);
  }
}

/// Gives the lanes of one register their next bytes: those of the first 8 lanes start at `first`.
QLOAD_INLINE void take(Lanes& lanes, uint32_t first_mask, uint32_t second_mask,
                       const uint8_t* first, const uint8_t* second) {
  const uint8x16_t index =
      vcombine_u8(vld1_u8(kExpandLow.bytes[first_mask]), vld1_u8(kExpandHigh.bytes[second_mask]));
  const uint8x16_t next = vcombine_u8(vld1_u8(first), vld1_u8(second));
  lanes.low = vqtbx1q_u8(lanes.low, next, index);
}

/// Returns the stream's next byte.
QLOAD_INLINE const uint8_t* refill_half(Half& half, const uint8_t* stream) {
  const uint32_t mask = half.refill_mask;
  const uint32_t ends = half.refill_ends;
  take(half.first, mask & 255, mask >> 8 & 255, stream, stream + (ends & 255));
  take(half.second, mask >> 16 & 255, mask >> 24, stream + (ends >> 8 & 255),
       stream + (ends >> 16 & 255));
  return stream + (ends >> 24);
}

/// Byte j of a row's flags says which of lanes j, 16 + j, 32 + j and 48 + j are escaped, from bit 7
/// downwards.
using EscapeFlags = uint8_t[16];

/// The flags of a row as a bit for each lane.
uint64_t escaped_lanes(const EscapeFlags& flags) {
  const uint8x16_t found = vld1q_u8(flags);
  const uint8x16_t bit = lane_bits();
  const uint8x16_t a = vandq_u8(vtstq_u8(found, vdupq_n_u8(0x80)), bit);
  const uint8x16_t b = vandq_u8(vtstq_u8(found, vdupq_n_u8(0x40)), bit);
  const uint8x16_t c = vandq_u8(vtstq_u8(found, vdupq_n_u8(0x20)), bit);
  const uint8x16_t d = vandq_u8(vtstq_u8(found, vdupq_n_u8(0x10)), bit);
  const uint8x16_t sums = vpaddq_u8(vpaddq_u8(a, b), vpaddq_u8(c, d));
  return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sums, sums)), 0);
}

/// Puts escaped bytes in the place of what was decoded. Returns the escaped byte after them.
const uint8_t* replace_escaped(const EscapeFlags* flags, size_t row_count, const uint8_t* escape,
                               uint8_t* out) {
  for (size_t r = 0; r < row_count; ++r) {
    uint64_t words[2];
    __builtin_memcpy(words, flags[r], sizeof words);
    if ((words[0] | words[1]) == 0) continue;
    for (uint64_t left = escaped_lanes(flags[r]); left != 0; left &= left - 1) {
      out[r * kLaneCount + static_cast<uint32_t>(__builtin_ctzll(left))] = *escape++;
    }
  }
  return escape;
}

Lanes load_lanes(const LaneState& state, uint32_t g, size_t i) {
  return {vld1q_u8(state.high[g] + 16 * i), vld1q_u8(state.low[g] + 16 * i),
          vld1q_u8(state.position[g] + 16 * i)};
}

void store_lanes(const Lanes& lanes, LaneState& state, uint32_t g, size_t i) {
  vst1q_u8(state.high[g] + 16 * i, lanes.high);
  vst1q_u8(state.low[g] + 16 * i, lanes.low);
  vst1q_u8(state.position[g] + 16 * i, lanes.position);
}

/// Decodes every row of group `g`. Steps and refills of the halves alternate, so that between a
/// half's step and its refill the other half steps.
template <typename Lookup, uint32_t kRawBits, bool kEscapes>
void decode_group(const LaneTable& table, const LanePrepared& prepared, LaneState& state,
                  uint32_t g, size_t row_count, uint8_t* out, EscapeFlags* flags) {
  const Lookup lookup(prepared);
  const uint8x16_t escape_start = vdupq_n_u8(static_cast<uint8_t>(table.escape_start));
  const size_t row_step = table.groups;
  const uint8_t* stream = state.stream[g];
  const uint8_t* raw = state.raw + g * 8 * kRawBits;
  uint8_t* row = out + g * kLaneCount;
  uint8_t* const end = out + row_count * kLaneCount;
  Half front = {load_lanes(state, g, 0), load_lanes(state, g, 1), 0, 0, vdupq_n_u8(0)};
  Half back = {load_lanes(state, g, 2), load_lanes(state, g, 3), 0, 0, vdupq_n_u8(0)};
  step_half<kRawBits, 0, kEscapes>(lookup, front, escape_start, raw, row);
  for (;;) {
    step_half<kRawBits, 1, kEscapes>(lookup, back, escape_start, raw, row);
    if constexpr (kEscapes) {
      vst1q_u8(flags[(row - out) / kLaneCount], vsriq_n_u8(front.escaped, back.escaped, 2));
    }
    stream = refill_half(front, stream);
    row += row_step * kLaneCount;
    raw += row_step * 8 * kRawBits;
    if (row >= end) break;
    step_half<kRawBits, 0, kEscapes>(lookup, front, escape_start, raw, row);
    stream = refill_half(back, stream);
  }
  stream = refill_half(back, stream);
  store_lanes(front.first, state, g, 0);
  store_lanes(front.second, state, g, 1);
  store_lanes(back.first, state, g, 2);
  store_lanes(back.second, state, g, 3);
  state.stream[g] = stream;
}

template <typename Lookup, uint32_t kRawBits, bool kEscapes>
void decode_rows(const LaneTable& table, const LanePrepared& prepared, LaneState& state,
                 size_t row_count, uint8_t* out) {
  if (row_count == 0) return;
  EscapeFlags flags[kEscapes ? kStripRowsMax : 1];
  for (uint32_t g = 0; g < table.groups; ++g) {
    decode_group<Lookup, kRawBits, kEscapes>(table, prepared, state, g, row_count, out, flags);
  }
  state.raw += row_count * 8 * kRawBits;
  if constexpr (kEscapes) state.escape = replace_escaped(flags, row_count, state.escape, out);
}

template <typename Lookup>
DecodeRows loop_for(const LaneTable& table) {
  constexpr DecodeRows kLoops[2][kRawBitsMax + 1] = {
      {decode_rows<Lookup, 0, false>, decode_rows<Lookup, 1, false>, decode_rows<Lookup, 2, false>,
       decode_rows<Lookup, 3, false>, decode_rows<Lookup, 4, false>},
      {decode_rows<Lookup, 0, true>, decode_rows<Lookup, 1, true>, decode_rows<Lookup, 2, true>,
       decode_rows<Lookup, 3, true>, decode_rows<Lookup, 4, true>}};
  return kLoops[table.has_escapes()][table.raw_bits];
}

DecodeRows choose_loop(const LaneTable& table) {
  switch (lookup_kind(table)) {
    case LookupKind::kCells:
      return loop_for<CellLookup>(table);
    case LookupKind::kTail:
      return loop_for<TailLookup>(table);
    case LookupKind::kFree:
      break;
  }
  return loop_for<FreeLookup>(table);
}

}  // namespace

constinit const LaneKernel kLaneNeon = {
    .name = "neon",
    .prepare = prepare,
    .decode_rows = choose_loop,
    .count_bits = neon_count_bits,
    .encode_rows = neon_encode_rows,
};

}  // namespace qload
