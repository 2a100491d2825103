// Byte planes and float planes: every byte where docs/format.md puts it, and the fast loops agree
// with the reference.
#include "format/filter/byte_planes.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "tests/support/test_files.h"
#include "tests/unit/filter_streams.h"

namespace qload {
namespace {

using test::random_bytes;
using test::Streams;

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

/// Byte `plane` of an element after a rotation left by one bit: seven bits of its own byte, and the
/// highest bit of the byte below; below the lowest byte stands the highest.
std::byte rotated_byte(std::span<const std::byte> element, size_t plane) {
  const std::byte below = element[(plane + element.size() - 1) % element.size()];
  return element[plane] << 1 | below >> 7;
}

void expect_planes(const Filter& filter, bool rotated) {
  const size_t element_bytes = filter.block_bytes;
  for (size_t length : {3u, 37u, 299u, 1031u}) {
    const auto chunk = random_bytes(length, 7);
    Streams streams(filter, length);
    filter.split(chunk, streams.mutable_spans);
    const size_t elements = length / element_bytes;
    for (size_t i = 0; i < elements; ++i) {
      const auto element = std::span(chunk).subspan(i * element_bytes, element_bytes);
      for (size_t plane = 0; plane < filter.stream_count; ++plane) {
        const std::byte expected = rotated ? rotated_byte(element, plane) : element[plane];
        ASSERT_EQ(streams.memory[plane][i], expected) << filter.name << ", element " << i;
      }
    }
    for (size_t i = elements * element_bytes; i < length; ++i) {
      ASSERT_EQ(streams.memory.back()[i - elements * (filter.stream_count - 1)], chunk[i]);
    }
  }
}

TEST(BytePlanes, HoldTheBytesTheyShould) {
  for (size_t planes : {2, 4, 8}) {
    expect_planes(*find_filter("byte_planes_" + std::to_string(planes)), false);
    expect_planes(*find_filter("float_planes_" + std::to_string(planes)), true);
  }
}

/// The example of docs/format.md: 1, -2 and 0.0078125 in BF16, and a byte left over.
TEST(BytePlanes, FloatPlanesByHand) {
  const Filter& filter = *find_filter(FilterId::kFloatPlanes2);
  const auto chunk = bytes_of({0x80, 0x3F, 0x00, 0xC0, 0x00, 0x3C, 0x81});
  Streams streams(filter, chunk.size());
  filter.split(chunk, streams.mutable_spans);
  EXPECT_EQ(streams.memory[0], bytes_of({0x00, 0x01, 0x00}));
  EXPECT_EQ(streams.memory[1], bytes_of({0x7F, 0x80, 0x78, 0x81}));
}

template <size_t kPlanes, int kRotation>
void compare_with_reference() {
  const std::string kind = kRotation == 0 ? "byte_planes_" : "float_planes_";
  const Filter& filter = *find_filter(kind + std::to_string(kPlanes));
  for (size_t length = 0; length < 1200; ++length) {
    const auto chunk = random_bytes(length, 99 + length);
    Streams fast(filter, length);
    Streams reference(filter, length);
    filter.split(chunk, fast.mutable_spans);
    split_byte_planes_reference<kPlanes, kRotation>(chunk, reference.mutable_spans);
    ASSERT_EQ(fast.memory, reference.memory) << filter.name << ", " << length << " bytes";
    std::vector<std::byte> merged(length);
    std::vector<std::byte> merged_reference(length);
    filter.merge(fast.const_spans, merged);
    merge_byte_planes_reference<kPlanes, kRotation>(fast.const_spans, merged_reference);
    ASSERT_EQ(merged, merged_reference) << filter.name << ", " << length << " bytes";
  }
}

TEST(BytePlanes, FastLoopsAgreeWithTheReference) {
  compare_with_reference<2, 0>();
  compare_with_reference<4, 0>();
  compare_with_reference<8, 0>();
  compare_with_reference<2, 1>();
  compare_with_reference<4, 1>();
  compare_with_reference<8, 1>();
}

}  // namespace
}  // namespace qload
