// Block fields: every byte of a block in the stream where docs/format.md puts it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "format/filter/ggml_blocks.h"
#include "tests/support/test_files.h"
#include "tests/unit/filter_streams.h"

namespace qload {
namespace {

using test::random_bytes;
using test::Streams;

struct Expected {
  const char* name;
  int id;
  size_t block_bytes;
  const char* streams;  ///< As docs/format.md writes them: bytes of the block, by stream.
};

constexpr Expected kExpected[] = {
    {"q4_0_fields", 16, 18, "0; 1; 2-17"},
    {"q4_1_fields", 17, 20, "0, 2; 1; 3; 4-19"},
    {"q5_0_fields", 18, 22, "0; 1; 2-5; 6-21"},
    {"q5_1_fields", 19, 24, "0, 2; 1; 3; 4-7; 8-23"},
    {"q8_0_fields", 20, 34, "0; 1; 2-33"},
    {"q8_1_fields", 21, 36, "0, 2; 1; 3; 4-35"},
    {"q2_k_fields", 22, 84, "0-15; 16-79; 80, 82; 81; 83"},
    {"q3_k_fields", 23, 110, "0-31; 32-95; 96-103; 104-107; 108; 109"},
    {"q4_k_fields", 24, 144, "0, 2; 1; 3; 4-7; 8-11; 12-15; 16-143"},
    {"q5_k_fields", 25, 176, "0, 2; 1; 3; 4-7; 8-11; 12-15; 16-47; 48-175"},
    {"q6_k_fields", 26, 210, "0-127; 128-191; 192-207; 208; 209"},
    {"q8_k_fields", 27, 292, "0-2; 3; 4-259; 260-291"},
    {"iq2_xxs_fields", 28, 66, "0; 1; 2-5 (8 of step 8); 6-8 (8 of step 8); 9 (8 of step 8)"},
    {"iq2_xs_fields", 29, 74, "0; 1; 2 (32 of step 2); 3 (32 of step 2); 66-73"},
    {"iq3_xxs_fields", 30, 98, "0; 1; 2-65; 66-68 (8 of step 4); 69 (8 of step 4)"},
    {"iq1_s_fields", 31, 50, "0; 1; 2-33; 34 (8 of step 2); 35 (8 of step 2)"},
    {"iq3_s_fields", 32, 110, "0; 1; 2-65; 66-73; 74-105; 106-109"},
    {"iq2_s_fields", 33, 82, "0; 1; 2-33; 34-65; 66-73; 74-81"},
    {"iq4_xs_fields", 34, 136, "0; 1; 2-3; 4-7; 8-135"},
    {"iq1_m_fields", 35, 56, "0-31; 32-47; 48 (4 of step 2); 49 (4 of step 2)"},
    {"tq1_0_fields", 36, 54, "0-47; 48-51; 52; 53"},
    {"tq2_0_fields", 37, 66, "0-63; 64; 65"},
    {"mxfp4_fields", 38, 17, "0; 1-16"},
    {"nvfp4_fields", 39, 36, "0-3; 4-35"},
};

/// Reads a whole number and moves past it.
size_t take_number(const char*& at) {
  size_t number = 0;
  for (; std::isdigit(static_cast<unsigned char>(*at)) != 0; ++at) number = number * 10 + *at - '0';
  return number;
}

/// "4-7" and "9" are the bytes they say; "(8 of step 4)" behind them: 8 such runs, 4 bytes apart.
std::vector<std::vector<size_t>> parse_streams(const char* at) {
  std::vector<std::vector<size_t>> streams(1);
  while (*at != '\0') {
    const size_t first = take_number(at);
    size_t last = first;
    if (*at == '-') last = take_number(++at);
    size_t times = 1;
    size_t step = 0;
    if (std::string_view(at).starts_with(" (")) {
      times = take_number(at += 2);
      step = take_number(at += std::string_view(" of step ").size());
      ++at;
    }
    for (size_t run = 0; run < times; ++run) {
      for (size_t i = first; i <= last; ++i) streams.back().push_back(i + run * step);
    }
    if (*at == ';') streams.emplace_back();
    while (*at == ';' || *at == ',' || *at == ' ') ++at;
  }
  return streams;
}

TEST(BlockFields, HoldTheBytesTheyShould) {
  for (const Expected& expected : kExpected) {
    const Filter* filter = find_filter(expected.name);
    ASSERT_NE(filter, nullptr) << expected.name;
    EXPECT_EQ(static_cast<int>(filter->id), expected.id) << "values are frozen";
    EXPECT_EQ(filter->block_bytes, expected.block_bytes) << expected.name;
    const auto offsets = parse_streams(expected.streams);
    ASSERT_EQ(filter->stream_count, offsets.size()) << expected.name;

    constexpr size_t kBlocks = 9;
    const size_t left_over = expected.block_bytes - 1;
    const auto chunk = random_bytes(kBlocks * expected.block_bytes + left_over, 5);
    std::vector<std::vector<std::byte>> streams(offsets.size());
    for (size_t block = 0; block < kBlocks; ++block) {
      for (size_t i = 0; i < offsets.size(); ++i) {
        for (size_t offset : offsets[i]) {
          streams[i].push_back(chunk[block * expected.block_bytes + offset]);
        }
      }
    }
    streams.back().insert(streams.back().end(), chunk.end() - static_cast<ptrdiff_t>(left_over),
                          chunk.end());
    Streams split(*filter, chunk.size());
    filter->split(chunk, split.mutable_spans);
    EXPECT_EQ(split.memory, streams) << expected.name;
  }
}

TEST(BlockFields, EveryBlockFilterIsExpectedHere) {
  const auto filters = all_filters();
  const auto count = std::ranges::count_if(
      filters, [](const Filter& filter) { return filter.name.ends_with("_fields"); });
  EXPECT_EQ(count, std::ssize(kExpected));
}

/// The example of docs/format.md: two blocks of Q4_0 and a byte left over.
TEST(BlockFields, Q4_0ByHand) {
  const Filter& filter = *find_filter(FilterId::kQ4_0Fields);
  std::vector<std::byte> chunk;
  const auto append = [&](std::initializer_list<int> values) {
    for (int value : values) chunk.push_back(static_cast<std::byte>(value));
  };
  append({0x66, 0x2E, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16});
  append({0x17, 0x18, 0x19, 0x1A, 0x1B, 0x1C, 0x1D, 0x1E, 0x1F});
  append({0xCD, 0xAC, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26});
  append({0x27, 0x28, 0x29, 0x2A, 0x2B, 0x2C, 0x2D, 0x2E, 0x2F, 0x99});
  Streams streams(filter, chunk.size());
  filter.split(chunk, streams.mutable_spans);
  EXPECT_EQ(streams.memory[0], (std::vector{std::byte{0x66}, std::byte{0xCD}}));
  EXPECT_EQ(streams.memory[1], (std::vector{std::byte{0x2E}, std::byte{0xAC}}));
  ASSERT_EQ(streams.memory[2].size(), 33u);
  for (size_t i = 0; i < 32; ++i) {
    EXPECT_EQ(streams.memory[2][i], static_cast<std::byte>(0x10 + i));
  }
  EXPECT_EQ(streams.memory[2][32], std::byte{0x99});
}

TEST(BlockFields, EveryGgmlTypeHasItsFilter) {
  for (const DTypeInfo& info : all_dtypes()) {
    const FilterId id = block_filter_of(info.dtype);
    if (static_cast<int>(info.dtype) < 256) {
      EXPECT_EQ(id, FilterId::kNone) << info.name;
      continue;
    }
    const Filter* filter = find_filter(id);
    ASSERT_NE(filter, nullptr) << info.name;
    EXPECT_NE(id, FilterId::kNone) << info.name;
    EXPECT_EQ(filter->block_bytes, info.block_bytes) << info.name;
    // Named after the type, unless it shares an earlier one's layout.
    std::string name(info.name);
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    const bool shares = name == "iq4_nl" || name == "q1_0" || name == "q2_0";
    EXPECT_EQ(filter->name, shares ? "q4_0_fields" : name + "_fields");
  }
  EXPECT_EQ(block_filter_of(static_cast<DType>(9999)), FilterId::kNone);
}

}  // namespace
}  // namespace qload
