// AVX2: a row of 64 lanes is two vectors.
#define QLOAD_UNROLL_GROUPS _Pragma("GCC unroll 4")
#include "format/codec/lane_huffman/lane_x86_decode.h"
#include "format/codec/lane_huffman/lane_x86_encode.h"

namespace qload {
namespace {

/// 32 lanes. Instructions work within halves of 16 bytes, which lookups and interleaving followed
/// by packing do not mind.
struct Avx2 {
  using Bytes = __m256i;
  static constexpr size_t kLanes = 32;

  static Bytes load(const uint8_t* bytes) {
    return _mm256_loadu_si256(reinterpret_cast<const Bytes*>(bytes));
  }
  static void store(uint8_t* bytes, Bytes value) {
    _mm256_storeu_si256(reinterpret_cast<Bytes*>(bytes), value);
  }
  static Bytes row(const uint8_t* entries) { return _mm256_broadcastsi128_si256(load16(entries)); }
  static Bytes fill(uint32_t byte) { return _mm256_set1_epi8(static_cast<char>(byte)); }
  static Bytes fill16(uint16_t word) { return _mm256_set1_epi16(static_cast<short>(word)); }
  static Bytes shuffle(Bytes table, Bytes index) { return _mm256_shuffle_epi8(table, index); }
  static Bytes add(Bytes a, Bytes b) { return _mm256_add_epi8(a, b); }
  static Bytes sub(Bytes a, Bytes b) { return _mm256_sub_epi8(a, b); }
  static Bytes sub_saturated(Bytes a, Bytes b) { return _mm256_subs_epi8(a, b); }
  static Bytes sub_unsigned(Bytes a, Bytes b) { return _mm256_subs_epu8(a, b); }
  static Bytes greater(Bytes a, Bytes b) { return _mm256_cmpgt_epi8(a, b); }
  static Bytes and_not(Bytes mask, Bytes a) { return _mm256_andnot_si256(mask, a); }
  static Bytes select(Bytes mask, Bytes a, Bytes b) { return _mm256_blendv_epi8(b, a, mask); }
  static uint32_t signs(Bytes a) { return static_cast<uint32_t>(_mm256_movemask_epi8(a)); }
  static Bytes interleave_low(Bytes a, Bytes b) { return _mm256_unpacklo_epi8(a, b); }
  static Bytes interleave_high(Bytes a, Bytes b) { return _mm256_unpackhi_epi8(a, b); }
  static Bytes multiply16(Bytes a, Bytes b) { return _mm256_mullo_epi16(a, b); }
  static Bytes pack16(Bytes a, Bytes b) { return _mm256_packus_epi16(a, b); }
  template <int kBits>
  static Bytes shift_right16(Bytes a) {
    return _mm256_srli_epi16(a, kBits);
  }
  template <int kBits>
  static Bytes shift_left16(Bytes a) {
    return _mm256_slli_epi16(a, kBits);
  }

  static Bytes take(const uint8_t*& stream, uint32_t kept) {
    const __m128i first = take16(stream, kept);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(first), take16(stream, kept >> 16), 1);
  }
  static void give(uint8_t*& stream, Bytes lanes, uint32_t given) {
    give16(stream, _mm256_extracti128_si256(lanes, 1), given >> 16);
    give16(stream, _mm256_castsi256_si128(lanes), given);
  }

  /// 8 bytes: lane j has bit j / 8 of byte j % 8 lowest.
  template <size_t kVector>
  static Bytes spread_bits(const uint8_t* raw) {
    constexpr long long kFirst = 4 * kVector;
    const Bytes bytes = _mm256_broadcastq_epi64(load8(raw));
    return _mm256_srlv_epi64(bytes, _mm256_set_epi64x(kFirst + 3, kFirst + 2, kFirst + 1, kFirst));
  }
  /// 16 bytes: lane j has pair of bits j / 16 of byte j % 16 lowest.
  template <size_t kVector>
  static Bytes spread_pairs(const uint8_t* raw) {
    constexpr long long kFirst = 4 * kVector;
    return _mm256_srlv_epi64(row(raw), _mm256_set_epi64x(kFirst + 2, kFirst + 2, kFirst, kFirst));
  }
  /// 32 bytes: lane j has nibble j / 32 of byte j % 32 lowest.
  template <size_t kVector>
  static Bytes spread_nibbles(const uint8_t* raw) {
    return shift_right16<4 * kVector>(load(raw));
  }
};

}  // namespace

constinit const LaneKernel kLaneAvx2 = {
    .name = "avx2",
    .prepare = prepare,
    .decode_rows = choose_decode_rows<Twice<Avx2>>,
    .count_bits = count_bits<Avx2>,
    .encode_rows = encode_rows<Avx2>,
};

}  // namespace qload
