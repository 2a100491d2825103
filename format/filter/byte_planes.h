// Byte planes: element bytes regrouped by their place in the element, so that all the exponent
// bytes of a BF16 chunk stand together and a byte-wise code sees one narrow histogram. Float planes
// rotate each element left by one bit first: the sign goes to the lowest bit, and an exponent of
// eight bits (BF16, F32) has the last plane to itself.
#pragma once

#include <cstddef>
#include <span>

namespace qload {

/// Splits `chunk` into kPlanes spans: plane p gets byte p of every little-endian element, rotated
/// left by kRotation bits, and the last plane also the chunk.size() % kPlanes bytes left over, as
/// they are. Sizes as Filter::stream_bytes. No allocation. Defined for 2, 4 and 8 planes and
/// rotations of 0 and 1.
template <size_t kPlanes, int kRotation = 0>
void split_byte_planes(std::span<const std::byte> chunk,
                       std::span<const std::span<std::byte>> streams);

/// The inverse of split_byte_planes.
template <size_t kPlanes, int kRotation = 0>
void merge_byte_planes(std::span<const std::span<const std::byte>> streams,
                       std::span<std::byte> chunk);

/// The same, one element at a time: the reference that tests compare the fast ones with.
template <size_t kPlanes, int kRotation = 0>
void split_byte_planes_reference(std::span<const std::byte> chunk,
                                 std::span<const std::span<std::byte>> streams);
template <size_t kPlanes, int kRotation = 0>
void merge_byte_planes_reference(std::span<const std::span<const std::byte>> streams,
                                 std::span<std::byte> chunk);

}  // namespace qload
