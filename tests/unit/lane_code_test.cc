// Codes of lane_huffman: which are refused, and what tables are made of the others.
#include "format/codec/lane_huffman/lane_code.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/support/lane_reference.h"
#include "tests/support/test_files.h"

namespace qload {
namespace {

using test::LaneRecipe;
using ::testing::HasSubstr;

LaneCode to_code(const LaneRecipe& recipe) {
  LaneCode code;
  code.raw_bits = recipe.raw_bits;
  code.symbol_count = recipe.nibbles ? 16 : 256u >> recipe.raw_bits;
  code.first_symbol = recipe.first_symbol;
  code.span = static_cast<uint32_t>(recipe.lengths.size());
  code.escape_length = recipe.escape_length;
  for (uint32_t place = 0; place < code.span; ++place) {
    code.length[code.symbol_at(place)] = recipe.lengths[place];
  }
  return code;
}

LaneCode code_of(std::vector<uint8_t> lengths, uint32_t escape_length = 0, uint32_t first = 0) {
  LaneRecipe recipe;
  recipe.lengths = std::move(lengths);
  recipe.escape_length = escape_length;
  recipe.first_symbol = first;
  return to_code(recipe);
}

TEST(LaneCode, CompleteCodesAndTheLoneOneAreTaken) {
  EXPECT_TRUE(check_lane_code(code_of({0})).ok());
  EXPECT_TRUE(check_lane_code(code_of({1, 1})).ok());
  EXPECT_TRUE(check_lane_code(code_of({1}, 1)).ok());
  EXPECT_TRUE(check_lane_code(code_of({1, 0, 0, 1})).ok());
  EXPECT_TRUE(check_lane_code(code_of({1, 2, 3, 3}, 0, 254)).ok()) << "the list wraps";
  EXPECT_TRUE(check_lane_code(code_of(std::vector<uint8_t>(256, 8))).ok());
  EXPECT_TRUE(check_lane_code(code_of(std::vector<uint8_t>(255, 8), 8)).ok());
}

TEST(LaneCode, OthersAreCorrupt) {
  const auto message_of = [](const LaneCode& code) {
    const Status status = check_lane_code(code);
    if (status.ok()) return std::string();
    EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt);
    return std::string(status.error().message());
  };
  EXPECT_THAT(message_of(code_of({1})), HasSubstr("fill 128 of 256"));
  EXPECT_THAT(message_of(code_of({8})), HasSubstr("fill 1 of 256"));
  EXPECT_THAT(message_of(code_of({0, 0})), HasSubstr("fill 0 of 256"));
  EXPECT_THAT(message_of(code_of({0}, 1)), HasSubstr("fill 128 of 256"));
  EXPECT_THAT(message_of(code_of({0}, 8)), HasSubstr("fill 1 of 256"));
  EXPECT_THAT(message_of(code_of({1, 2})), HasSubstr("fill 192 of 256"));
  EXPECT_THAT(message_of(code_of({1, 1}, 8)), HasSubstr("fill 257 of 256"));
  EXPECT_THAT(message_of(code_of({1, 1, 8})), HasSubstr("fill 257 of 256"));
  EXPECT_THAT(message_of(code_of(std::vector<uint8_t>(255, 8))), HasSubstr("fill 255 of 256"));
  EXPECT_THAT(message_of(code_of(std::vector<uint8_t>(256, 8), 8)), HasSubstr("fill 257"));
  EXPECT_THAT(message_of(code_of(std::vector<uint8_t>(256, 1), 1)), HasSubstr("fill 32896"));
}

/// What a code says about each peek, by comparing bit by bit: symbol (-1: escape) and length.
std::map<uint32_t, std::pair<int, uint32_t>> expected_table(const LaneRecipe& recipe) {
  std::map<uint32_t, std::pair<int, uint32_t>> table;
  const uint32_t count = recipe.nibbles ? 16 : 256u >> recipe.raw_bits;
  uint32_t code = 0;
  for (uint32_t length = 1; length <= 8; ++length, code <<= 1) {
    for (size_t place = 0; place < recipe.lengths.size(); ++place) {
      if (recipe.lengths[place] != length) continue;
      const auto symbol = static_cast<int>((recipe.first_symbol + place) % count);
      for (uint32_t peek = 0; peek < 256; ++peek) {
        if (peek >> (8 - length) == code) table[peek] = {symbol, length};
      }
      ++code;
    }
  }
  for (uint32_t peek = 0; peek < 256; ++peek) {
    if (!table.contains(peek)) table[peek] = {-1, recipe.escape_length};
  }
  return table;
}

/// `table` says by its cells what it says by its entries.
void expect_cells(const LaneTable& table) {
  ASSERT_TRUE(table.cells);
  for (uint32_t peek = 0; peek < 256; ++peek) {
    const uint32_t length = table.cell_length[peek / 4];
    ASSERT_EQ(table.length[peek], length);
    if (peek >= table.escape_start) continue;
    const uint32_t step = length > 6 ? peek % 4 >> (8 - length) : 0;
    const auto symbol =
        static_cast<uint8_t>(table.cell_symbol[peek / 4] + (step << table.raw_bits));
    ASSERT_EQ(table.symbol[peek], symbol);
    if (!table.compact) continue;
    ASSERT_GT(length, 0u);
    const auto distance = static_cast<uint8_t>(table.cell_symbol[peek / 4] - table.symbol_base);
    ASSERT_LT(distance >> table.raw_bits, 32);
    ASSERT_EQ(distance & ((1u << table.raw_bits) - 1), 0u);
  }
}

TEST(LaneCode, DecodeTablesSayWhatTheCodeSays) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 3000; ++round) {
    auto bytes = test::random_bytes(300, random());
    for (std::byte& byte : bytes) byte &= static_cast<std::byte>(round * 7);
    const LaneRecipe recipe = test::random_lane_recipe(random, bytes, round % 5 == 0);
    const LaneCode code = to_code(recipe);
    ASSERT_TRUE(check_lane_code(code).ok()) << "the test's own code";
    LaneTable table;
    make_decode_table(code, recipe.groups, table);
    ASSERT_EQ(table.raw_bits, recipe.raw_bits);
    ASSERT_EQ(table.groups, recipe.groups);
    if (table.cells) expect_cells(table);
    if (HasFatalFailure()) return;
    if (code.lone()) {
      for (uint32_t peek = 0; peek < 256; ++peek) {
        ASSERT_EQ(table.length[peek], 0);
        ASSERT_EQ(table.symbol[peek], recipe.first_symbol << recipe.raw_bits);
      }
      continue;
    }
    for (const auto& [peek, meaning] : expected_table(recipe)) {
      ASSERT_EQ(table.length[peek], meaning.second) << peek;
      ASSERT_EQ(peek >= table.escape_start, meaning.first < 0) << peek;
      if (meaning.first >= 0) {
        ASSERT_EQ(table.symbol[peek], static_cast<uint32_t>(meaning.first) << recipe.raw_bits);
      }
    }
  }
}

TEST(LaneCode, EncodeTablesAreDecodeTablesBackwards) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 1000; ++round) {
    const auto bytes = test::gaussian_int8(300, 1.0 + static_cast<double>(round % 60), random());
    const LaneRecipe recipe = test::random_lane_recipe(random, bytes, false);
    const LaneCode code = to_code(recipe);
    if (code.lone()) continue;
    LaneTable decode;
    LaneEncodeTable encode;
    make_decode_table(code, 1, decode);
    make_encode_table(code, 4, encode);
    EXPECT_EQ(encode.groups, 4u);
    for (const std::byte byte : bytes) {
      const auto value = static_cast<uint8_t>(byte);
      const uint32_t length = encode.length[value];
      const uint32_t peek = encode.code[value];
      ASSERT_GE(length, 1u);
      ASSERT_EQ(peek & (255u >> length), 0u) << "bits behind the code";
      ASSERT_EQ(decode.length[peek], length);
      if (code.length[value >> code.raw_bits] == 0) {
        ASSERT_EQ(peek, decode.escape_start);
      } else {
        ASSERT_EQ(decode.symbol[peek], value >> code.raw_bits << code.raw_bits);
      }
    }
  }
}

/// The escape is last whatever its length: longer codes stand before it.
TEST(LaneCode, AShortEscapeStandsBehindLongerCodes) {
  LaneTable table;
  make_decode_table(code_of({2, 3, 3}, 1), 1, table);
  EXPECT_EQ(table.escape_start, 128u);
  EXPECT_EQ(table.length[255], 1);
  EXPECT_EQ(table.symbol[0], 0);
  EXPECT_EQ(table.symbol[64], 1);
  EXPECT_EQ(table.symbol[96], 2);
}

}  // namespace
}  // namespace qload
