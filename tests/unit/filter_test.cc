// Filters: merge undoes split for every length, and the fast loops agree with the reference.
#include "format/filter/filter.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <set>
#include <string>

#include "format/filter/byte_planes.h"
#include "tests/support/test_files.h"

namespace qload {
namespace {

using test::random_bytes;

/// The streams of one chunk, each in an allocation of exactly its size, so that a sanitizer sees
/// a step outside.
struct Streams {
  Streams(const Filter& filter, size_t chunk_bytes) {
    for (uint32_t i = 0; i < filter.stream_count; ++i) {
      memory.emplace_back(filter.stream_bytes(chunk_bytes, i), std::byte{0xA5});
    }
    for (auto& stream : memory) {
      mutable_spans.emplace_back(stream);
      const_spans.emplace_back(stream);
    }
  }
  std::vector<std::vector<std::byte>> memory;
  std::vector<std::span<std::byte>> mutable_spans;
  std::vector<std::span<const std::byte>> const_spans;
};

std::vector<size_t> lengths() {
  std::vector<size_t> all;
  for (size_t i = 0; i <= 300; ++i) all.push_back(i);
  for (size_t base : {1024u, 4096u, 65536u}) {
    for (size_t i : {base - 1, base, base + 1, base + 13}) all.push_back(i);
  }
  return all;
}

TEST(Filter, RegistryIsOrderedAndNamed) {
  std::set<std::string_view> names;
  int last = -1;
  for (const Filter& filter : all_filters()) {
    EXPECT_GT(static_cast<int>(filter.id), last);
    last = static_cast<int>(filter.id);
    EXPECT_TRUE(names.insert(filter.name).second) << filter.name;
    EXPECT_EQ(find_filter(filter.id), &filter);
    EXPECT_EQ(find_filter(filter.name), &filter);
    EXPECT_GE(filter.stream_count, 1u);
    EXPECT_LE(filter.stream_count, kStreamCountMax);
    EXPECT_EQ(std::accumulate(filter.field_bytes.begin(), filter.field_bytes.end(), 0u),
              filter.block_bytes);
    for (uint32_t i = 0; i < kStreamCountMax; ++i) {
      EXPECT_EQ(filter.field_bytes[i] > 0, i < filter.stream_count) << filter.name;
    }
  }
  EXPECT_EQ(find_filter(static_cast<FilterId>(200)), nullptr);
  EXPECT_EQ(find_filter("no such filter"), nullptr);
}

TEST(Filter, FrozenValues) {
  EXPECT_EQ(find_filter("none")->id, static_cast<FilterId>(0));
  EXPECT_EQ(find_filter("byte_planes_2")->id, static_cast<FilterId>(1));
  EXPECT_EQ(find_filter("byte_planes_4")->id, static_cast<FilterId>(2));
  EXPECT_EQ(find_filter("byte_planes_8")->id, static_cast<FilterId>(3));
}

TEST(Filter, StreamSizesSumToTheChunk) {
  for (const Filter& filter : all_filters()) {
    for (uint64_t bytes : {0ull, 1ull, 7ull, 8ull, 9ull, 4097ull, 1ull << 40, ~0ull}) {
      uint64_t sum = 0;
      for (uint32_t i = 0; i < filter.stream_count; ++i) sum += filter.stream_bytes(bytes, i);
      EXPECT_EQ(sum, bytes) << filter.name;
    }
  }
  EXPECT_EQ(find_filter("byte_planes_4")->stream_bytes(11, 0), 2u);
  EXPECT_EQ(find_filter("byte_planes_4")->stream_bytes(11, 3), 5u);  // 2 elements and 3 left over.
}

TEST(Filter, MergeUndoesSplitAtEveryLength) {
  for (const Filter& filter : all_filters()) {
    for (size_t length : lengths()) {
      const auto chunk = random_bytes(length, length + 1);
      Streams streams(filter, length);
      filter.split(chunk, streams.mutable_spans);
      std::vector<std::byte> merged(length, std::byte{0x5A});
      filter.merge(streams.const_spans, merged);
      ASSERT_EQ(merged, chunk) << filter.name << ", " << length << " bytes";
    }
  }
}

TEST(Filter, PlanesHoldTheBytesTheyShould) {
  for (const Filter& filter : all_filters()) {
    for (size_t length : {3u, 37u, 299u}) {
      const auto chunk = random_bytes(length, 7);
      Streams streams(filter, length);
      filter.split(chunk, streams.mutable_spans);
      const size_t elements = length / filter.block_bytes;
      for (size_t i = 0; i < elements; ++i) {
        for (size_t plane = 0; plane < filter.stream_count; ++plane) {
          ASSERT_EQ(streams.memory[plane][i], chunk[i * filter.block_bytes + plane]);
        }
      }
      for (size_t i = elements * filter.block_bytes; i < length; ++i) {
        ASSERT_EQ(streams.memory.back()[i - elements * (filter.stream_count - 1)], chunk[i]);
      }
    }
  }
}

/// As a decoder merges a chunk: in strips of whole blocks, the last one with the bytes left over.
TEST(Filter, StripsOfWholeBlocksMergeToTheChunk) {
  for (const Filter& filter : all_filters()) {
    const size_t length = filter.block_bytes * 200 + filter.block_bytes - 1;
    const auto chunk = random_bytes(length, 31);
    Streams streams(filter, length);
    filter.split(chunk, streams.mutable_spans);
    for (size_t strip_blocks : {1u, 7u, 64u, 200u}) {
      std::vector<std::byte> merged(length);
      for (size_t block = 0; block < 200; block += strip_blocks) {
        const bool last = block + strip_blocks >= 200;
        const size_t from = block * filter.block_bytes;
        const auto strip = std::span(merged).subspan(
            from, last ? length - from : strip_blocks * filter.block_bytes);
        std::vector<std::span<const std::byte>> parts;
        for (uint32_t i = 0; i < filter.stream_count; ++i) {
          parts.push_back(streams.const_spans[i].subspan(block * filter.field_bytes[i],
                                                         filter.stream_bytes(strip.size(), i)));
        }
        filter.merge(parts, strip);
      }
      ASSERT_EQ(merged, chunk) << filter.name << ", " << strip_blocks << " blocks a strip";
    }
  }
}

template <size_t kPlanes>
void compare_with_reference() {
  const Filter& filter = *find_filter("byte_planes_" + std::to_string(kPlanes));
  for (size_t length : lengths()) {
    const auto chunk = random_bytes(length, 99 + length);
    Streams fast(filter, length);
    Streams reference(filter, length);
    split_byte_planes<kPlanes>(chunk, fast.mutable_spans);
    split_byte_planes_reference<kPlanes>(chunk, reference.mutable_spans);
    ASSERT_EQ(fast.memory, reference.memory) << kPlanes << " planes, " << length << " bytes";
    std::vector<std::byte> merged(length);
    std::vector<std::byte> merged_reference(length);
    merge_byte_planes<kPlanes>(fast.const_spans, merged);
    merge_byte_planes_reference<kPlanes>(fast.const_spans, merged_reference);
    ASSERT_EQ(merged, merged_reference) << kPlanes << " planes, " << length << " bytes";
  }
}

TEST(BytePlanes, FastLoopsAgreeWithTheReference) {
  compare_with_reference<2>();
  compare_with_reference<4>();
  compare_with_reference<8>();
}

TEST(BytePlanes, AnyAlignment) {
  const auto memory = random_bytes(4096, 3);
  for (const Filter& filter : all_filters()) {
    for (size_t shift = 0; shift < 17; ++shift) {
      const auto chunk = std::span(memory).subspan(shift, 1000 + shift);
      Streams streams(filter, chunk.size());
      filter.split(chunk, streams.mutable_spans);
      std::vector<std::byte> merged(chunk.size() + shift);
      filter.merge(streams.const_spans, std::span(merged).subspan(shift));
      ASSERT_TRUE(std::equal(chunk.begin(), chunk.end(), merged.begin() + shift)) << filter.name;
    }
  }
}

}  // namespace
}  // namespace qload
