// Decoding by the x86 kernels; lane_x86_shared.h says how.
//
// The file that includes this defines QLOAD_UNROLL_GROUPS, before a loop over groups: GCC 12 takes
// no template argument there.
#pragma once

#include "format/codec/lane_huffman/lane_x86_shared.h"

namespace qload {
namespace {

enum class CodeKind { kFree, kCells, kCompact };

/// The rests of a free code, by what codes in order of length allow: lengths change inside an
/// aligned block of 16 peeks only from 5 bits on, so at most three times, by one up to three bits
/// together. Elsewhere the block alone says the rest.
inline constexpr size_t kStartsInBlocks = 3;

/// What prepare makes of a table.
struct LaneOperands {
  uint8_t symbol_rows[16][kRowEntries];  ///< 4 of them for cells; with the rests when compact.
  uint8_t rest_rows[4][kRowEntries];     ///< By cell; free codes: rest_rows[0] by block of 16.
  /// By class << 2 | k: what entry k of a cell adds to the cell's symbol, and the symbol base.
  uint8_t steps[kRowEntries];
  /// For free codes: where the rest decreases by one inside a block; less one, sign flipped.
  uint8_t rest_starts[kStartsInBlocks];
  uint8_t escape_rest;  ///< For free codes: what to add to the rest of an escape.
};
static_assert(sizeof(LaneOperands) <= sizeof(LanePrepared));

/// By rest: a mask that leaves k of a cell's entry and its class, 0 for length 8, 1 for 7, else 2.
alignas(16) constexpr uint8_t kEntryMasks[kRowEntries] = {3,  7,  11, 11, 11, 11, 11, 11,
                                                          11, 11, 11, 11, 11, 11, 11, 11};

constexpr uint8_t rest_of(uint32_t length) { return static_cast<uint8_t>(kCodeBitsMax - length); }

inline void prepare_cells(const LaneTable& table, LaneOperands& operands) {
  uint8_t first[64];
  uint8_t rest[64];
  for (size_t cell = 0; cell < 64; ++cell) {
    rest[cell] = rest_of(table.cell_length[cell]);
    first[cell] = table.cell_symbol[cell];
    if (table.compact) {
      const auto distance = static_cast<uint8_t>(first[cell] - table.symbol_base);
      first[cell] = static_cast<uint8_t>(distance >> table.raw_bits << 3 | rest[cell]);
    }
  }
  make_rows(first, 4, operands.symbol_rows);
  make_rows(rest, 4, operands.rest_rows);
  const uint32_t base = table.compact ? table.symbol_base : 0;
  for (uint32_t entry = 0; entry < kRowEntries; ++entry) {
    const uint32_t step = entry < 4 ? entry : entry < 8 ? (entry & 3) >> 1 : 0;
    operands.steps[entry] = static_cast<uint8_t>(base + (step << table.raw_bits));
  }
}

/// False when the code's lengths are not in the order that LaneOperands needs. Every code of the
/// format is in it.
inline bool prepare_free(const LaneTable& table, LaneOperands& operands) {
  const uint32_t end = table.escape_start;
  if (end < 128) return false;
  make_rows(table.symbol, 16, operands.symbol_rows);
  size_t starts = 0;
  for (uint32_t peek = 0; peek < 256; ++peek) {
    const size_t block = peek / kRowEntries;
    if (peek % kRowEntries == 0) {
      const uint32_t length = table.length[peek < end ? peek : end - 1];
      operands.rest_rows[0][block] = static_cast<uint8_t>(rest_of(length) + starts);
    } else if (peek < end) {
      if (table.length[peek] < table.length[peek - 1]) return false;
      for (uint32_t l = table.length[peek - 1]; l < table.length[peek]; ++l) {
        if (starts == kStartsInBlocks) return false;
        operands.rest_starts[starts++] = static_cast<uint8_t>((peek - 1) ^ 0x80);
      }
    } else if (table.length[peek] != table.length[end]) {
      return false;
    }
  }
  while (starts < kStartsInBlocks) operands.rest_starts[starts++] = 0x7F;
  operands.escape_rest = 0;
  if (end < 256) {
    operands.escape_rest = static_cast<uint8_t>(table.length[end - 1] - table.length[end]);
  }
  return true;
}

inline void prepare(const LaneTable& table, LanePrepared& prepared) {
  auto& operands = *reinterpret_cast<LaneOperands*>(prepared.bytes);
  table.cells ? prepare_cells(table, operands) : static_cast<void>(prepare_free(table, operands));
}

/// What the peeks of V::kLanes lanes say.
template <class V>
struct Decoded {
  typename V::Bytes symbol, rest;
  uint64_t escaped;  ///< A mask of lanes.
};

template <class V, CodeKind kKind, uint32_t kRawBits, bool kEscapes>
[[gnu::always_inline]] inline Decoded<V> decode_cells(const LaneOperands& operands,
                                                      uint32_t escape_start,
                                                      typename V::Bytes peeks) {
  using Bytes = typename V::Bytes;
  Decoded<V> decoded;
  if constexpr (kEscapes) {  // escape_start is 128 or more.
    decoded.escaped = V::signs(V::sub_unsigned(peeks, V::fill(escape_start - 128)));
  }
  const Bytes cell = V::template shift_right16<2>(peeks) & V::fill(63);
  if constexpr (kKind == CodeKind::kCompact) {
    Bytes values[1];
    look_up_64<V, 1>({operands.symbol_rows}, cell, values);
    decoded.rest = values[0] & V::fill(7);
    if constexpr (kRawBits <= 3) {
      values[0] = V::template shift_right16<3 - kRawBits>(values[0]);
    } else {
      values[0] = V::add(values[0], values[0]);
    }
    decoded.symbol = values[0] & V::fill(31 << kRawBits & 255);
  } else {
    Bytes values[2];
    look_up_64<V, 2>({operands.symbol_rows, operands.rest_rows}, cell, values);
    decoded.symbol = values[0];
    decoded.rest = values[1];
  }
  const Bytes entry = (peeks | V::fill(0xFC)) & V::shuffle(V::row(kEntryMasks), decoded.rest);
  decoded.symbol = V::add(decoded.symbol, V::shuffle(V::row(operands.steps), entry));
  return decoded;
}

template <class V, bool kEscapes>
[[gnu::always_inline]] inline Decoded<V> decode_free(const LaneOperands& operands,
                                                     uint32_t escape_start,
                                                     typename V::Bytes peeks) {
  using Bytes = typename V::Bytes;
  Decoded<V> decoded;
  Bytes symbols[1];
  look_up_256<V, 1>({operands.symbol_rows}, peeks, symbols);
  decoded.symbol = symbols[0];
  const Bytes flipped = peeks ^ V::fill(0x80);  // Ordered as signed bytes.
  const Bytes block = V::template shift_right16<4>(peeks) & V::fill(15);
  decoded.rest = V::shuffle(V::row(operands.rest_rows[0]), block);
#pragma GCC unroll 3
  for (uint8_t start : operands.rest_starts) {
    decoded.rest = V::add(decoded.rest, V::greater(flipped, V::fill(start)));
  }
  if constexpr (kEscapes) {
    const Bytes escaped = V::greater(flipped, V::fill((escape_start - 1) ^ 0x80));
    decoded.rest = V::add(decoded.rest, escaped & V::fill(operands.escape_rest));
    decoded.escaped = V::signs(escaped);
  }
  return decoded;
}

/// The raw bits of the row's vector number kVector.
template <class V, uint32_t kRawBits, size_t kVector>
[[gnu::always_inline]] inline typename V::Bytes raw_bits_of(const uint8_t* raw) {
  if constexpr (kRawBits == 4) {
    return V::template spread_nibbles<kVector>(raw) & V::fill(15);
  } else if constexpr (kRawBits == 1) {
    return V::template spread_bits<kVector>(raw) & V::fill(1);
  } else {
    const auto pairs = V::template spread_pairs<kVector>(raw) & V::fill(3);
    if constexpr (kRawBits == 2) return pairs;
    const auto bits = V::template spread_bits<kVector>(raw + 16) & V::fill(1);
    return pairs | V::template shift_left16<2>(bits);
  }
}

/// Escaped bytes replace whole symbols, in the order of the plane. Most rows have none or few, and
/// a branch on that would often be mispredicted: so places are listed first, two a row whether the
/// row has them or not, and the list ends behind those that count.
inline const uint8_t* place_escapes(const uint64_t* escaped, size_t row_count, uint8_t* out,
                                    const uint8_t* escape) {
  constexpr size_t kListedRows = 16;
  uint16_t places[kListedRows * kLaneCount + 2];
  for (size_t first = 0; first < row_count; first += kListedRows) {
    const size_t rows = row_count - first < kListedRows ? row_count - first : kListedRows;
    size_t count = 0;
    const auto list = [&](size_t row, uint64_t lanes) {
      const int lane = __builtin_ctzll(lanes | uint64_t{1} << 63);
      places[count] = static_cast<uint16_t>(row * kLaneCount + static_cast<size_t>(lane));
      count += lanes != 0;
      return lanes & (lanes - 1);
    };
    for (size_t row = 0; row < rows; ++row) {
      uint64_t lanes = list(row, list(row, escaped[first + row]));
      while (lanes != 0) lanes = list(row, lanes);
    }
    for (size_t i = 0; i < count; ++i) out[first * kLaneCount + places[i]] = escape[i];
    escape += count;
  }
  return escape;
}

/// One group's windows and where its stream stands.
template <class V>
struct Group {
  static constexpr size_t kVectors = kLaneCount / V::kLanes;
  Windows<V> windows[kVectors];
  const uint8_t* stream;

  [[gnu::always_inline]] void load(const LaneState& state, uint32_t g) {
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) {
      windows[v].high = V::load(state.high[g] + v * V::kLanes);
      windows[v].low = V::load(state.low[g] + v * V::kLanes);
      windows[v].position = V::load(state.position[g] + v * V::kLanes);
    }
    stream = state.stream[g];
  }

  [[gnu::always_inline]] void refill_all() {
#pragma GCC unroll 4
    for (Windows<V>& w : windows) refill(w, stream);
  }

  [[gnu::always_inline]] void store(LaneState& state, uint32_t g) const {
#pragma GCC unroll 4
    for (size_t v = 0; v < kVectors; ++v) {
      V::store(state.high[g] + v * V::kLanes, windows[v].high);
      V::store(state.low[g] + v * V::kLanes, windows[v].low);
      V::store(state.position[g] + v * V::kLanes, windows[v].position);
    }
    state.stream[g] = stream;
  }
};

/// Decodes vector number kVector of a row and those behind it. Returns its escapes.
template <class V, CodeKind kKind, uint32_t kRawBits, bool kEscapes, size_t kVector = 0>
[[gnu::always_inline]] inline uint64_t decode_row(const LaneOperands& operands,
                                                  uint32_t escape_start, Group<V>& group,
                                                  const uint8_t* raw, uint8_t* row) {
  Windows<V>& windows = group.windows[kVector];
  Decoded<V> decoded;
  if constexpr (kKind == CodeKind::kFree) {
    decoded = decode_free<V, kEscapes>(operands, escape_start, peek(windows));
  } else {
    decoded = decode_cells<V, kKind, kRawBits, kEscapes>(operands, escape_start, peek(windows));
  }
  step_on(windows, decoded.rest);
  if constexpr (kRawBits != 0) decoded.symbol |= raw_bits_of<V, kRawBits, kVector>(raw);
  V::store(row + kVector * V::kLanes, decoded.symbol);
  uint64_t escaped = 0;
  if constexpr (kEscapes) escaped = decoded.escaped << (kVector * V::kLanes);
  if constexpr (kVector + 1 < Group<V>::kVectors) {
    escaped |= decode_row<V, kKind, kRawBits, kEscapes, kVector + 1>(operands, escape_start, group,
                                                                     raw, row);
  }
  return escaped;
}

/// Looks up one row of every group, then refills every group: chains of dependent instructions are
/// then short and far apart, and a processor that sees some hundred instructions ahead finds work.
/// One row of a group after the other, refill included, was 12 to 17 % slower.
template <class V, CodeKind kKind, uint32_t kRawBits, uint32_t kGroups, bool kEscapes>
void decode_rows(const LaneTable& table, const LanePrepared& prepared, LaneState& state,
                 size_t row_count, uint8_t* out) {
  const auto& operands = *reinterpret_cast<const LaneOperands*>(prepared.bytes);
  uint64_t escaped[kEscapes ? kStripRowsMax : 1];
  Group<V> group[kGroups];
#pragma GCC unroll 4
  for (uint32_t g = 0; g < kGroups; ++g) group[g].load(state, g);
  const uint8_t* raw = state.raw;
  const uint8_t* beside = state.beside != nullptr ? state.beside : out;
  for (size_t r = 0; r < row_count; r += kGroups) {
    QLOAD_UNROLL_GROUPS
    for (uint32_t g = 0; g < kGroups; ++g) {
      const uint64_t lanes = decode_row<V, kKind, kRawBits, kEscapes>(
          operands, table.escape_start, group[g], raw, out + (r + g) * kLaneCount);
      __builtin_prefetch(beside + (r + g) * kLaneCount);
      if constexpr (kEscapes) escaped[r + g] = lanes;
      raw += 8 * kRawBits;
    }
    QLOAD_UNROLL_GROUPS
    for (uint32_t g = 0; g < kGroups; ++g) group[g].refill_all();
  }
  state.raw = raw;
#pragma GCC unroll 4
  for (uint32_t g = 0; g < kGroups; ++g) group[g].store(state, g);
  if constexpr (kEscapes) state.escape = place_escapes(escaped, row_count, out, state.escape);
}

template <class V, CodeKind kKind, uint32_t kRawBits>
DecodeRows choose_by_groups(const LaneTable& table) {
  if (table.has_escapes()) {
    return table.groups == 1 ? decode_rows<V, kKind, kRawBits, 1, true>
                             : decode_rows<V, kKind, kRawBits, 4, true>;
  }
  return table.groups == 1 ? decode_rows<V, kKind, kRawBits, 1, false>
                           : decode_rows<V, kKind, kRawBits, 4, false>;
}

template <class V, CodeKind kKind>
DecodeRows choose_by_raw_bits(const LaneTable& table) {
  switch (table.raw_bits) {
    case 0:
      return choose_by_groups<V, kKind, 0>(table);
    case 1:
      return choose_by_groups<V, kKind, 1>(table);
    case 2:
      return choose_by_groups<V, kKind, 2>(table);
    case 3:
      return choose_by_groups<V, kKind, 3>(table);
    default:
      return choose_by_groups<V, kKind, 4>(table);
  }
}

/// The loop for that table: the scalar one where the table is not one of the format's codes.
template <class V>
DecodeRows choose_decode_rows(const LaneTable& table) {
  LaneOperands operands;
  const bool of_format =
      table.escape_start >= 128 && (table.cells || prepare_free(table, operands));
  if (!of_format) return kLaneScalar.decode_rows(table);
  if (table.compact) return choose_by_raw_bits<V, CodeKind::kCompact>(table);
  if (table.cells) return choose_by_raw_bits<V, CodeKind::kCells>(table);
  return choose_by_raw_bits<V, CodeKind::kFree>(table);
}

}  // namespace
}  // namespace qload
