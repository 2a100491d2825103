// What holds for every filter of the registry: merge undoes split, whatever the length, the place
// in memory and the strips it is done in.
#include "format/filter/filter.h"

#include <gtest/gtest.h>

#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "tests/support/test_files.h"
#include "tests/unit/filter_streams.h"

namespace qload {
namespace {

using test::random_bytes;
using test::Streams;

/// Short ones all, then around whole numbers of the filter's blocks and of whole registers.
std::vector<size_t> lengths(const Filter& filter) {
  std::vector<size_t> all;
  for (size_t i = 0; i <= 700; ++i) all.push_back(i);
  for (size_t blocks : {3u, 16u, 64u, 1000u}) {
    const size_t base = blocks * filter.block_bytes;
    for (size_t i : {base - 1, base, base + 1, base + filter.block_bytes / 2}) all.push_back(i);
  }
  all.push_back(65536 + 13);
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
  EXPECT_EQ(find_filter("float_planes_2")->id, static_cast<FilterId>(4));
  EXPECT_EQ(find_filter("float_planes_4")->id, static_cast<FilterId>(5));
  EXPECT_EQ(find_filter("float_planes_8")->id, static_cast<FilterId>(6));
  EXPECT_EQ(find_filter("q4_0_fields")->id, static_cast<FilterId>(16));
  EXPECT_EQ(find_filter("nvfp4_fields")->id, static_cast<FilterId>(39));
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
    for (size_t length : lengths(filter)) {
      const auto chunk = random_bytes(length, length + 1);
      Streams streams(filter, length);
      filter.split(chunk, streams.mutable_spans);
      std::vector<std::byte> merged(length, std::byte{0x5A});
      filter.merge(streams.const_spans, merged);
      ASSERT_EQ(merged, chunk) << filter.name << ", " << length << " bytes";
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

TEST(Filter, AnyAlignment) {
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
