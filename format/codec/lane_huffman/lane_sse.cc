// SSSE3 and SSE4.1: a row of 64 lanes is four vectors.
// With four vectors a row, rows of four groups written out would be half a megabyte of code for 5 %
// of speed.
#define QLOAD_UNROLL_GROUPS _Pragma("GCC unroll 1")
#include "format/codec/lane_huffman/lane_x86_decode.h"
#include "format/codec/lane_huffman/lane_x86_encode.h"

namespace qload {
namespace {

/// 16 lanes.
struct Sse {
  using Bytes = __m128i;
  static constexpr size_t kLanes = 16;

  static Bytes load(const uint8_t* bytes) { return load16(bytes); }
  static void store(uint8_t* bytes, Bytes value) {
    _mm_storeu_si128(reinterpret_cast<Bytes*>(bytes), value);
  }
  static Bytes row(const uint8_t* entries) { return load16(entries); }
  static Bytes fill(uint32_t byte) { return _mm_set1_epi8(static_cast<char>(byte)); }
  static Bytes fill16(uint16_t word) { return _mm_set1_epi16(static_cast<short>(word)); }
  static Bytes shuffle(Bytes table, Bytes index) { return _mm_shuffle_epi8(table, index); }
  static Bytes add(Bytes a, Bytes b) { return _mm_add_epi8(a, b); }
  static Bytes sub(Bytes a, Bytes b) { return _mm_sub_epi8(a, b); }
  static Bytes sub_saturated(Bytes a, Bytes b) { return _mm_subs_epi8(a, b); }
  static Bytes sub_unsigned(Bytes a, Bytes b) { return _mm_subs_epu8(a, b); }
  static Bytes greater(Bytes a, Bytes b) { return _mm_cmpgt_epi8(a, b); }
  static Bytes and_not(Bytes mask, Bytes a) { return _mm_andnot_si128(mask, a); }
  static Bytes select(Bytes mask, Bytes a, Bytes b) { return _mm_blendv_epi8(b, a, mask); }
  static uint32_t signs(Bytes a) { return static_cast<uint32_t>(_mm_movemask_epi8(a)); }
  static Bytes interleave_low(Bytes a, Bytes b) { return _mm_unpacklo_epi8(a, b); }
  static Bytes interleave_high(Bytes a, Bytes b) { return _mm_unpackhi_epi8(a, b); }
  static Bytes multiply16(Bytes a, Bytes b) { return _mm_mullo_epi16(a, b); }
  static Bytes pack16(Bytes a, Bytes b) { return _mm_packus_epi16(a, b); }
  template <int kBits>
  static Bytes shift_right16(Bytes a) {
    return _mm_srli_epi16(a, kBits);
  }
  template <int kBits>
  static Bytes shift_left16(Bytes a) {
    return _mm_slli_epi16(a, kBits);
  }

  static Bytes take(const uint8_t*& stream, uint32_t kept) { return take16(stream, kept); }
  static void give(uint8_t*& stream, Bytes lanes, uint32_t given) { give16(stream, lanes, given); }

  /// 8 bytes: lane j has bit j / 8 of byte j % 8 lowest.
  template <size_t kVector>
  static Bytes spread_bits(const uint8_t* raw) {
    const Bytes bytes = load8(raw);
    return _mm_srli_epi64(_mm_unpacklo_epi64(bytes, _mm_srli_epi64(bytes, 1)), 2 * kVector);
  }
  /// 16 bytes: lane j has pair of bits j / 16 of byte j % 16 lowest.
  template <size_t kVector>
  static Bytes spread_pairs(const uint8_t* raw) {
    return _mm_srli_epi64(load16(raw), 2 * kVector);
  }
  /// 32 bytes: lane j has nibble j / 32 of byte j % 32 lowest.
  template <size_t kVector>
  static Bytes spread_nibbles(const uint8_t* raw) {
    return shift_right16<4 * (kVector / 2)>(load(raw + 16 * (kVector % 2)));
  }
};

}  // namespace

constinit const LaneKernel kLaneSse = {
    .name = "sse",
    .prepare = prepare,
    .decode_rows = choose_decode_rows<Twice<Sse>>,
    .count_bits = count_bits<Sse>,
    .encode_rows = encode_rows<Sse>,
};

}  // namespace qload
