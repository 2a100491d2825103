// AVX-512 with VBMI and VBMI2: a row of 64 lanes is one register.
//
// Peeking needs a shift by another amount in every byte. vpmultishiftqb reads 8 bits at any bit of
// a lane's quadword: from the windows' high bytes at 8j - p it gives high << p with a neighbour's
// bits below, from the low bytes at 8j + 8 - p it gives low >> (8 - p) with a neighbour's bits
// above; a mask of p low bits, looked up, joins the two. So instead of the position p a lane keeps
// its control, 64 + 8j - p: both instructions and the mask's lookup use it as it is.
//
// Tables are registers: vpermb looks up 64 cells, vpermi2b 128 entries of a free table. vpexpandb
// hands the shared stream's bytes to the lanes that are due one.
#include <immintrin.h>

#include "format/codec/lane_huffman/lane_kernels.h"

namespace qload {
namespace {

/// Four registers: a table of 256 bytes.
struct Table256 {
  __m512i part[4];
};

[[gnu::always_inline]] inline Table256 load_table(const uint8_t* bytes) {
  return {{_mm512_loadu_si512(bytes), _mm512_loadu_si512(bytes + 64),
           _mm512_loadu_si512(bytes + 128), _mm512_loadu_si512(bytes + 192)}};
}

/// table[index] for each byte; `upper` marks indices from 128 on.
[[gnu::always_inline]] inline __m512i look_up(const Table256& table, __m512i index,
                                              __mmask64 upper) {
  return _mm512_mask_blend_epi8(upper,
                                _mm512_permutex2var_epi8(table.part[0], index, table.part[1]),
                                _mm512_permutex2var_epi8(table.part[2], index, table.part[3]));
}

/// 8j + `plus` for lane j, counted within its quadword.
[[gnu::always_inline]] inline __m512i lane_bits(int plus) {
  return _mm512_add_epi8(_mm512_set1_epi64(0x3830282018100800),
                         _mm512_set1_epi8(static_cast<char>(plus)));
}

/// By the low three bits of a control: its position's count of low bits set, (1 << p) - 1. Only the
/// low 6 bits of an index count, and 64 + 8j does not reach the low three, where -p is.
[[gnu::always_inline]] inline __m512i low_bits_by_control() {
  return _mm512_set1_epi64(0x0103070F1F3F7F00);
}

/// What one kind of table looks up: symbols and lengths by peek.
template <bool kCells>
struct Lookup;

template <>
struct Lookup<true> {
  __m512i symbol, length, step;

  [[gnu::always_inline]] explicit Lookup(const LaneTable& table)
      : symbol(_mm512_load_si512(table.cell_symbol)),
        length(_mm512_load_si512(table.cell_length)),
        step(_mm512_slli_epi16(steps(), static_cast<unsigned>(table.raw_bits))) {}

  /// By length << 2 | k: how far entry k of a cell is from its first: k for length 8, k / 2 for 7.
  [[gnu::always_inline]] static __m512i steps() {
    return _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0x03020100, 0x01010000, 0, 0, 0, 0, 0, 0, 0);
  }

  [[gnu::always_inline]] void find(__m512i peek, __m512i& symbols, __m512i& lengths) const {
    const __m512i cell = _mm512_srli_epi16(peek, 2);  // The neighbour's bits above do not count.
    lengths = _mm512_permutexvar_epi8(cell, length);
    const __m512i entry = _mm512_ternarylogic_epi64(_mm512_slli_epi16(lengths, 2), peek,
                                                    _mm512_set1_epi8(3), 0xF8);  // a | b & c
    symbols = _mm512_add_epi8(_mm512_permutexvar_epi8(cell, symbol),
                              _mm512_permutexvar_epi8(entry, step));
  }
};

template <>
struct Lookup<false> {
  Table256 symbol, length;

  [[gnu::always_inline]] explicit Lookup(const LaneTable& table)
      : symbol(load_table(table.symbol)), length(load_table(table.length)) {}

  [[gnu::always_inline]] void find(__m512i peek, __m512i& symbols, __m512i& lengths) const {
    const __mmask64 upper = _mm512_movepi8_mask(peek);
    symbols = look_up(symbol, peek, upper);
    lengths = look_up(length, peek, upper);
  }
};

/// symbols | the raw bits of one row.
template <uint32_t kRawBits>
[[gnu::always_inline]] inline __m512i add_raw_bits(__m512i symbols, const uint8_t* raw) {
  constexpr int kSymbolsOrMasked = 0xF8;  // a | b & c
  if constexpr (kRawBits == 4) {
    const __m256i nibbles = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(raw));
    const __m512i both =
        _mm512_inserti64x4(_mm512_castsi256_si512(nibbles), _mm256_srli_epi16(nibbles, 4), 1);
    return _mm512_ternarylogic_epi64(symbols, both, _mm512_set1_epi8(15), kSymbolsOrMasked);
  }
  if constexpr (kRawBits >= 2) {
    const __m512i pairs = _mm512_srlv_epi64(
        _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(raw))),
        _mm512_set_epi64(6, 6, 4, 4, 2, 2, 0, 0));
    symbols = _mm512_ternarylogic_epi64(symbols, pairs, _mm512_set1_epi8(3), kSymbolsOrMasked);
    raw += 16;
  }
  if constexpr ((kRawBits & 1) != 0) {
    long long bits;
    __builtin_memcpy(&bits, raw, sizeof bits);
    __m512i ones =
        _mm512_srlv_epi64(_mm512_set1_epi64(bits), _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0));
    if constexpr (kRawBits == 3) ones = _mm512_slli_epi64(ones, 2);
    symbols = _mm512_ternarylogic_epi64(symbols, ones, _mm512_set1_epi8(1 << (kRawBits - 1)),
                                        kSymbolsOrMasked);
  }
  return symbols;
}

[[gnu::always_inline]] inline uint64_t count_ones(__mmask64 mask) {
  return static_cast<uint64_t>(_mm_popcnt_u64(_cvtmask64_u64(mask)));
}

template <bool kCells, uint32_t kRawBits, uint32_t kGroups, bool kEscapes>
void decode_rows(const LaneTable& table, const LanePrepared&, LaneState& state, size_t row_count,
                 uint8_t* out) {
  const Lookup<kCells> lookup(table);
  const __m512i low_bits = low_bits_by_control();
  const __m512i start = lane_bits(64);
  const __m512i spent = lane_bits(64 - 8);  // A control at or below this is due a byte.
  const __m512i eight = _mm512_set1_epi8(8);
  const __m512i escape_start = _mm512_set1_epi8(static_cast<char>(table.escape_start));
  __m512i high[kGroups], low[kGroups], control[kGroups];
  const uint8_t* stream[kGroups];
  const uint8_t* escape = state.escape;
  const uint8_t* raw = state.raw;
  const bool around_cache = state.around_cache;
  const uint8_t* beside = state.beside != nullptr ? state.beside : out;
#pragma GCC unroll 4
  for (uint32_t g = 0; g < kGroups; ++g) {
    high[g] = _mm512_load_si512(state.high[g]);
    low[g] = _mm512_load_si512(state.low[g]);
    control[g] = _mm512_sub_epi8(start, _mm512_load_si512(state.position[g]));
    stream[g] = state.stream[g];
  }
  for (size_t r = 0; r < row_count; r += kGroups) {
#pragma GCC unroll 4
    for (uint32_t g = 0; g < kGroups; ++g) {
      const __m512i upper = _mm512_multishift_epi64_epi8(control[g], high[g]);
      const __m512i lower =
          _mm512_multishift_epi64_epi8(_mm512_add_epi8(control[g], eight), low[g]);
      const __m512i mask = _mm512_permutexvar_epi8(control[g], low_bits);
      const __m512i peek = _mm512_ternarylogic_epi64(mask, lower, upper, 0xCA);  // mask ? b : c
      __m512i symbols, lengths;
      lookup.find(peek, symbols, lengths);
      control[g] = _mm512_sub_epi8(control[g], lengths);
      const __mmask64 due = _mm512_cmple_epu8_mask(control[g], spent);
      high[g] = _mm512_mask_mov_epi8(high[g], due, low[g]);
      low[g] = _mm512_mask_expand_epi8(low[g], due, _mm512_loadu_si512(stream[g]));
      stream[g] += count_ones(due);
      control[g] = _mm512_mask_add_epi8(control[g], due, control[g], eight);
      symbols = add_raw_bits<kRawBits>(symbols, raw + g * 8 * kRawBits);
      if constexpr (kEscapes) {
        const __mmask64 escaped = _mm512_cmpge_epu8_mask(peek, escape_start);
        symbols = _mm512_mask_expand_epi8(symbols, escaped, _mm512_loadu_si512(escape));
        escape += count_ones(escaped);
      }
      _mm_prefetch(beside + g * kLaneCount, _MM_HINT_T0);
      if (around_cache) {
        _mm512_stream_si512(reinterpret_cast<__m512i*>(out + g * kLaneCount), symbols);
      } else {
        _mm512_storeu_si512(out + g * kLaneCount, symbols);
      }
    }
    raw += kGroups * 8 * kRawBits;
    out += kGroups * kLaneCount;
    beside += kGroups * kLaneCount;
  }
#pragma GCC unroll 4
  for (uint32_t g = 0; g < kGroups; ++g) {
    _mm512_store_si512(state.high[g], high[g]);
    _mm512_store_si512(state.low[g], low[g]);
    _mm512_store_si512(state.position[g], _mm512_sub_epi8(start, control[g]));
    state.stream[g] = stream[g];
  }
  state.escape = escape;
  state.raw = raw;
}

template <bool kCells, uint32_t kGroups, bool kEscapes>
DecodeRows by_raw_bits(uint32_t raw_bits) {
  constexpr DecodeRows kLoops[] = {
      decode_rows<kCells, 0, kGroups, kEscapes>, decode_rows<kCells, 1, kGroups, kEscapes>,
      decode_rows<kCells, 2, kGroups, kEscapes>, decode_rows<kCells, 3, kGroups, kEscapes>,
      decode_rows<kCells, 4, kGroups, kEscapes>};
  return kLoops[raw_bits];
}

template <bool kCells, uint32_t kGroups>
DecodeRows by_escapes(const LaneTable& table) {
  return table.has_escapes() ? by_raw_bits<kCells, kGroups, true>(table.raw_bits)
                             : by_raw_bits<kCells, kGroups, false>(table.raw_bits);
}

DecodeRows choose_loop(const LaneTable& table) {
  if (table.groups == 1)
    return table.cells ? by_escapes<true, 1>(table) : by_escapes<false, 1>(table);
  return table.cells ? by_escapes<true, 4>(table) : by_escapes<false, 4>(table);
}

void count_bits(const LaneEncodeTable& table, size_t row_count, const uint8_t* plane,
                uint8_t (*bits)[kLaneCount]) {
  const Table256 length = load_table(table.length);
  for (uint32_t g = 0; g < table.groups; ++g) {
    __m512i sums = _mm512_loadu_si512(bits[g]);
    for (size_t r = g; r < row_count; r += table.groups) {
      const __m512i row = _mm512_loadu_si512(plane + r * kLaneCount);
      sums = _mm512_add_epi8(sums, look_up(length, row, _mm512_movepi8_mask(row)));
    }
    _mm512_storeu_si512(bits[g], sums);
  }
}

/// Rows backwards (see the scalar kernel). `code >> p` goes to the high byte and what falls out of
/// it to the low byte: two multishifts at 8j + p and 8j + p - 8, and a mask of 8 - p low bits.
template <uint32_t kGroups>
void encode_rows_of(const LaneEncodeTable& table, LaneEncodeState& state, size_t row_count,
                    const uint8_t* plane) {
  const Table256 codes = load_table(table.code);
  const Table256 lengths = load_table(table.length);
  const __m512i low_bits = _mm512_set1_epi64(0x0103070F1F3F7FFF);  // By position.
  const __m512i to_high = lane_bits(0);
  const __m512i to_low = lane_bits(-8);
  __m512i high[kGroups], low[kGroups], position[kGroups];
  uint8_t* stream[kGroups];
#pragma GCC unroll 4
  for (uint32_t g = 0; g < kGroups; ++g) {
    high[g] = _mm512_load_si512(state.high[g]);
    low[g] = _mm512_load_si512(state.low[g]);
    position[g] = _mm512_load_si512(state.position[g]);
    stream[g] = state.stream[g];
  }
  for (size_t r = row_count; r > 0; r -= kGroups) {
    const uint8_t* rows = plane + (r - kGroups) * kLaneCount;
#pragma GCC unroll 4
    for (uint32_t g = 0; g < kGroups; ++g) {
      const __m512i row = _mm512_loadu_si512(rows + g * kLaneCount);
      const __mmask64 upper = _mm512_movepi8_mask(row);
      const __m512i code = look_up(codes, row, upper);
      position[g] = _mm512_sub_epi8(position[g], look_up(lengths, row, upper));
      const __mmask64 back = _mm512_movepi8_mask(position[g]);
      const uint64_t count = count_ones(back);
      stream[g] -= count;
      _mm512_mask_storeu_epi8(stream[g],
                              _cvtu64_mask64(_bzhi_u64(~0ull, static_cast<unsigned>(count))),
                              _mm512_maskz_compress_epi8(back, low[g]));
      low[g] = _mm512_mask_mov_epi8(low[g], back, high[g]);
      high[g] = _mm512_mask_mov_epi8(high[g], back, _mm512_setzero_si512());
      position[g] = _mm512_mask_add_epi8(position[g], back, position[g], _mm512_set1_epi8(8));
      const __m512i mask = _mm512_permutexvar_epi8(position[g], low_bits);
      const __m512i above =
          _mm512_multishift_epi64_epi8(_mm512_add_epi8(to_high, position[g]), code);
      const __m512i below =
          _mm512_multishift_epi64_epi8(_mm512_add_epi8(to_low, position[g]), code);
      high[g] = _mm512_ternarylogic_epi64(high[g], above, mask, 0xF8);  // a | b & c
      low[g] = _mm512_ternarylogic_epi64(low[g], below, mask, 0xF4);    // a | b & ~c
    }
  }
#pragma GCC unroll 4
  for (uint32_t g = 0; g < kGroups; ++g) {
    _mm512_store_si512(state.high[g], high[g]);
    _mm512_store_si512(state.low[g], low[g]);
    _mm512_store_si512(state.position[g], position[g]);
    state.stream[g] = stream[g];
  }
}

void encode_rows(const LaneEncodeTable& table, LaneEncodeState& state, size_t row_count,
                 const uint8_t* plane) {
  if (table.groups == 1) return encode_rows_of<1>(table, state, row_count, plane);
  encode_rows_of<4>(table, state, row_count, plane);
}

}  // namespace

constinit const LaneKernel kLaneAvx512 = {
    .name = "avx512",
    .prepare = [](const LaneTable&, LanePrepared&) {},
    .decode_rows = choose_loop,
    .count_bits = count_bits,
    .encode_rows = encode_rows,
    .writes_around_cache = true,
};

}  // namespace qload
