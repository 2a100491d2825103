// The vector loops take 16 elements at a time: kPlanes registers of 16 bytes.
//
// Interleaving the first half of those registers with the second half, byte by byte, is a perfect
// shuffle: it moves byte i to 2i (mod 16 * kPlanes - 1). After log2(kPlanes) shuffles byte j of
// plane p, at 16p + j, stands at kPlanes * (16p + j) = kPlanes * j + p (mod 16 * kPlanes - 1),
// which is its place in the chunk. So one loop serves 2, 4 and 8 planes, and splitting is the
// same walk backwards. For 2 planes of two bytes: a0 a1 b0 b1 -> a0 b0 a1 b1.
//
// Rotation is a shift and an or on lanes of an element's width, on the side where the registers
// hold whole elements.
//
// Vectors are the GNU extension that GCC 12 and Clang 14 share. 16 bytes are a register of SSE2
// and of NEON, which every x86-64 and aarch64 has; no run-time choice is needed.
#include "format/filter/byte_planes.h"

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

namespace qload {
namespace {

using Vector [[gnu::vector_size(16)]] = uint8_t;
constexpr size_t kVectorBytes = sizeof(Vector);

Vector load(const std::byte* from) {
  Vector vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}

void store(std::byte* to, Vector vector) { std::memcpy(to, &vector, sizeof vector); }

Vector interleave_low(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

Vector interleave_high(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                 31);
}

Vector even_bytes(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}

Vector odd_bytes(Vector a, Vector b) {
  return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
}

template <size_t kPlanes>
using Block = std::array<Vector, kPlanes>;

/// The walk is written out by templates: GCC 12 leaves such small loops rolled at -O2 and keeps the
/// block in memory: 4 planes merge 2.7 times as slowly, 8 planes 6 times (docs/performance.md).
template <size_t kPlanes, size_t... kPair>
Block<kPlanes> shuffle(const Block<kPlanes>& in, std::index_sequence<kPair...>) {
  Block<kPlanes> out;
  ((out[2 * kPair] = interleave_low(in[kPair], in[kPair + kPlanes / 2]),
    out[2 * kPair + 1] = interleave_high(in[kPair], in[kPair + kPlanes / 2])),
   ...);
  return out;
}

template <size_t kPlanes, size_t... kPair>
Block<kPlanes> unshuffle(const Block<kPlanes>& in, std::index_sequence<kPair...>) {
  Block<kPlanes> out;
  ((out[kPair] = even_bytes(in[2 * kPair], in[2 * kPair + 1]),
    out[kPair + kPlanes / 2] = odd_bytes(in[2 * kPair], in[2 * kPair + 1])),
   ...);
  return out;
}

/// 2^n planes take n shuffles.
template <size_t kPlanes, size_t kWidth = kPlanes>
Block<kPlanes> interleave(const Block<kPlanes>& in) {
  if constexpr (kWidth == 1) {
    return in;
  } else {
    return interleave<kPlanes, kWidth / 2>(
        shuffle<kPlanes>(in, std::make_index_sequence<kPlanes / 2>()));
  }
}

template <size_t kPlanes, size_t kWidth = kPlanes>
Block<kPlanes> deinterleave(const Block<kPlanes>& in) {
  if constexpr (kWidth == 1) {
    return in;
  } else {
    return deinterleave<kPlanes, kWidth / 2>(
        unshuffle<kPlanes>(in, std::make_index_sequence<kPlanes / 2>()));
  }
}

template <size_t kBytes>
struct ElementOf;
template <>
struct ElementOf<2> {
  using Type = uint16_t;
  using Lanes [[gnu::vector_size(kVectorBytes)]] = uint16_t;
};
template <>
struct ElementOf<4> {
  using Type = uint32_t;
  using Lanes [[gnu::vector_size(kVectorBytes)]] = uint32_t;
};
template <>
struct ElementOf<8> {
  using Type = uint64_t;
  using Lanes [[gnu::vector_size(kVectorBytes)]] = uint64_t;
};

// A lane's bytes are an element's in memory order, which is the format's order here.
static_assert(std::endian::native == std::endian::little);

/// Rotates every element of kBytes bytes left by kRotation bits, in [0, 8 * kBytes).
template <size_t kBytes, int kRotation>
Vector rotate(Vector vector) {
  if constexpr (kRotation == 0) {
    return vector;
  } else {
    const auto lanes = std::bit_cast<typename ElementOf<kBytes>::Lanes>(vector);
    return std::bit_cast<Vector>((lanes << kRotation) | (lanes >> (8 * int{kBytes} - kRotation)));
  }
}

template <int kRotation, size_t... kIndex>
auto load_block(const std::byte* from, std::index_sequence<kIndex...>) {
  constexpr size_t kPlanes = sizeof...(kIndex);
  return Block<kPlanes>{rotate<kPlanes, kRotation>(load(from + kIndex * kVectorBytes))...};
}

template <int kRotation, size_t... kIndex>
void store_block(std::byte* to, const Block<sizeof...(kIndex)>& block,
                 std::index_sequence<kIndex...>) {
  (store(to + kIndex * kVectorBytes, rotate<sizeof...(kIndex), kRotation>(block[kIndex])), ...);
}

template <size_t... kIndex>
auto load_planes(const std::array<const std::byte*, sizeof...(kIndex)>& from, size_t offset,
                 std::index_sequence<kIndex...>) {
  return Block<sizeof...(kIndex)>{load(from[kIndex] + offset)...};
}

template <size_t... kIndex>
void store_planes(const std::array<std::byte*, sizeof...(kIndex)>& to, size_t offset,
                  const Block<sizeof...(kIndex)>& block, std::index_sequence<kIndex...>) {
  (store(to[kIndex] + offset, block[kIndex]), ...);
}

/// Elements [first, count) and the bytes left over, one element at a time.
template <size_t kPlanes, int kRotation>
void split_rest(std::span<const std::byte> chunk, std::span<const std::span<std::byte>> streams,
                size_t first) {
  const size_t count = chunk.size() / kPlanes;
  for (size_t i = first; i < count; ++i) {
    typename ElementOf<kPlanes>::Type element;
    std::memcpy(&element, chunk.data() + i * kPlanes, kPlanes);
    element = std::rotl(element, kRotation);
    for (size_t plane = 0; plane < kPlanes; ++plane) {
      streams[plane][i] = static_cast<std::byte>(element >> (8 * plane));
    }
  }
  for (size_t i = 0; i < chunk.size() % kPlanes; ++i) {
    streams[kPlanes - 1][count + i] = chunk[count * kPlanes + i];
  }
}

template <size_t kPlanes, int kRotation>
void merge_rest(std::span<const std::span<const std::byte>> streams, std::span<std::byte> chunk,
                size_t first) {
  using Element = typename ElementOf<kPlanes>::Type;
  const size_t count = chunk.size() / kPlanes;
  for (size_t i = first; i < count; ++i) {
    Element element = 0;
    for (size_t plane = 0; plane < kPlanes; ++plane) {
      const auto byte = std::to_integer<Element>(streams[plane][i]);
      element = static_cast<Element>(element | byte << (8 * plane));
    }
    element = std::rotr(element, kRotation);
    std::memcpy(chunk.data() + i * kPlanes, &element, kPlanes);
  }
  for (size_t i = 0; i < chunk.size() % kPlanes; ++i) {
    chunk[count * kPlanes + i] = streams[kPlanes - 1][count + i];
  }
}

}  // namespace

// Flattened: GCC 12 leaves calls to what both rotations use, and 8 planes split at three quarters
// of the speed.
template <size_t kPlanes, int kRotation>
[[gnu::flatten]] void split_byte_planes(std::span<const std::byte> chunk,
                                        std::span<const std::span<std::byte>> streams) {
  std::array<std::byte*, kPlanes> to;
  for (size_t plane = 0; plane < kPlanes; ++plane) to[plane] = streams[plane].data();
  constexpr auto kAll = std::make_index_sequence<kPlanes>();
  const size_t count = chunk.size() / kPlanes;
  size_t i = 0;
  for (; i + kVectorBytes <= count; i += kVectorBytes) {
    const auto block = load_block<kRotation>(chunk.data() + i * kPlanes, kAll);
    store_planes(to, i, deinterleave<kPlanes>(block), kAll);
  }
  split_rest<kPlanes, kRotation>(chunk, streams, i);
}

template <size_t kPlanes, int kRotation>
[[gnu::flatten]] void merge_byte_planes(std::span<const std::span<const std::byte>> streams,
                                        std::span<std::byte> chunk) {
  constexpr int kBackwards = (8 * int{kPlanes} - kRotation) % (8 * int{kPlanes});
  std::array<const std::byte*, kPlanes> from;
  for (size_t plane = 0; plane < kPlanes; ++plane) from[plane] = streams[plane].data();
  constexpr auto kAll = std::make_index_sequence<kPlanes>();
  const size_t count = chunk.size() / kPlanes;
  size_t i = 0;
  for (; i + kVectorBytes <= count; i += kVectorBytes) {
    const auto block = load_planes(from, i, kAll);
    store_block<kBackwards>(chunk.data() + i * kPlanes, interleave<kPlanes>(block), kAll);
  }
  merge_rest<kPlanes, kRotation>(streams, chunk, i);
}

template <size_t kPlanes, int kRotation>
void split_byte_planes_reference(std::span<const std::byte> chunk,
                                 std::span<const std::span<std::byte>> streams) {
  split_rest<kPlanes, kRotation>(chunk, streams, 0);
}

template <size_t kPlanes, int kRotation>
void merge_byte_planes_reference(std::span<const std::span<const std::byte>> streams,
                                 std::span<std::byte> chunk) {
  merge_rest<kPlanes, kRotation>(streams, chunk, 0);
}

#define QLOAD_BYTE_PLANES(...)                                                                   \
  template void split_byte_planes<__VA_ARGS__>(std::span<const std::byte>,                       \
                                               std::span<const std::span<std::byte>>);           \
  template void merge_byte_planes<__VA_ARGS__>(std::span<const std::span<const std::byte>>,      \
                                               std::span<std::byte>);                            \
  template void split_byte_planes_reference<__VA_ARGS__>(std::span<const std::byte>,             \
                                                         std::span<const std::span<std::byte>>); \
  template void merge_byte_planes_reference<__VA_ARGS__>(                                        \
      std::span<const std::span<const std::byte>>, std::span<std::byte>);
QLOAD_BYTE_PLANES(2, 0)
QLOAD_BYTE_PLANES(4, 0)
QLOAD_BYTE_PLANES(8, 0)
QLOAD_BYTE_PLANES(2, 1)
QLOAD_BYTE_PLANES(4, 1)
QLOAD_BYTE_PLANES(8, 1)
#undef QLOAD_BYTE_PLANES

}  // namespace qload
