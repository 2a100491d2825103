// Everything that docs/format_lane_huffman.md calls corrupt, with the message, by every kernel.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/support/lane_planes.h"
#include "tests/support/lane_reference.h"
#include "tests/support/test_files.h"

namespace qload {
namespace {

using Bytes = std::vector<std::byte>;
using test::LaneRecipe;
using ::testing::HasSubstr;

/// 450 bytes of a, b, c and two escapes: the document's example.
Bytes example_plane() {
  Bytes plane(450, std::byte{'a'});
  for (size_t row = 0; row < 7; ++row) {
    plane[64 * row] = std::byte{'c'};
    plane[64 * row + 1] = row < 3 ? std::byte{'b'} : std::byte{'c'};
  }
  plane[64 * 5 + 2] = std::byte{'Z'};
  plane[64 * 6 + 2] = std::byte{'!'};
  plane[448] = std::byte{'n'};
  plane[449] = std::byte{'o'};
  return plane;
}

LaneRecipe example_recipe() {
  LaneRecipe recipe;
  recipe.first_symbol = 'a';
  recipe.lengths = {1, 2, 3};
  recipe.escape_length = 3;
  return recipe;
}

class LaneRefusal : public ::testing::Test {
 protected:
  /// The message that all kernels give, or "" with a failure.
  std::string refusal(const Bytes& stored, size_t decoded_bytes) {
    const test::LaneOutcome outcome = decoders_.decode(stored, decoded_bytes);
    EXPECT_EQ(outcome.disagreement, "");
    EXPECT_FALSE(outcome.ok) << "not refused";
    EXPECT_FALSE(test::reference_decode(stored, decoded_bytes).has_value());
    EXPECT_THAT(outcome.message, HasSubstr("lane_huffman: "));
    return outcome.message;
  }

  /// The example with other bytes from `at` on.
  Bytes changed(size_t at, const std::vector<int>& bytes) const {
    Bytes stored = example_;
    for (size_t i = 0; i < bytes.size(); ++i) stored.at(at + i) = static_cast<std::byte>(bytes[i]);
    return stored;
  }
  std::string refusal_with(size_t at, const std::vector<int>& bytes) {
    return refusal(changed(at, bytes), 450);
  }

  test::LaneDecoders decoders_;
  const Bytes example_ = test::reference_stream(example_recipe(), example_plane());
};

TEST_F(LaneRefusal, TheExampleOfTheDocument) {
  const std::pair<size_t, std::vector<int>> expected[] = {
      {0x00, {0, 0, 0, 0}},
      {0x04, {1, 0, 0x61, 2, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0}},
      {0x14, {0x85, 0, 0, 0, 0x21, 0x03}},
      {0x1A, {0xDB, 0xAB, 0x07, 0}},
      {0x5A, {0x6D, 0x6D, 0xE0, 0}},
      {0x9A, {0xB0, 0x80, 0, 0, 0, 0x5A, 0x21, 0x6E, 0x6F}}};
  ASSERT_EQ(example_.size(), 163u);
  for (const auto& [at, bytes] : expected) EXPECT_EQ(changed(at, bytes), example_) << at;
  const auto outcome = decoders_.decode(example_, 450);
  ASSERT_TRUE(outcome.ok) << outcome.message;
  EXPECT_EQ(outcome.decoded, example_plane());
  EXPECT_EQ(test::reference_decode(example_, 450), example_plane());
}

TEST_F(LaneRefusal, StreamHeader) {
  EXPECT_THAT(refusal({}, 450), HasSubstr("0 stored bytes; expected 4 or more"));
  EXPECT_THAT(refusal(Bytes(3), 0), HasSubstr("3 stored bytes; expected 4 or more"));
  EXPECT_THAT(refusal_with(0, {2}), HasSubstr("flags 2 and reserved 0"));
  EXPECT_THAT(refusal_with(0, {129}), HasSubstr("flags 129"));
  EXPECT_THAT(refusal_with(2, {1}), HasSubstr("reserved 1;"));
  EXPECT_THAT(refusal_with(3, {1}), HasSubstr("reserved 256;"));
  for (int log : {1, 15, 25, 32, 64, 255}) {
    EXPECT_THAT(refusal_with(1, {log}), HasSubstr("segments of 2^" + std::to_string(log)));
  }
  for (int log : {16, 24}) {
    EXPECT_TRUE(decoders_.decode(changed(1, {log}), 450).ok) << "one segment, not full";
  }
}

TEST_F(LaneRefusal, EmptyStreams) {
  EXPECT_TRUE(decoders_.decode(Bytes(4), 0).ok);
  EXPECT_TRUE(decoders_.decode(test::join_segments(true, 16, {}), 0).ok);
  EXPECT_THAT(refusal(Bytes(5), 0), HasSubstr("1 stored bytes behind the last segment"));
  EXPECT_THAT(refusal(example_, 0), HasSubstr("159 stored bytes behind"));
}

TEST_F(LaneRefusal, SegmentHeader) {
  EXPECT_THAT(refusal(Bytes(4), 1), HasSubstr("header is cut off after 0 bytes"));
  EXPECT_THAT(refusal(Bytes(19), 1), HasSubstr("header is cut off after 15 bytes"));
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_THAT(refusal_with(test::kSegmentReservedAt + i, {1}), HasSubstr("reserved field"));
  }
  for (int groups : {2, 3, 5, 8, 255}) {
    EXPECT_THAT(refusal_with(test::kGroupsAt, {groups}),
                HasSubstr(std::to_string(groups) + " groups; expected 0, 1 or 4"));
  }
  EXPECT_THAT(refusal_with(test::kRawBitsAt, {5}), HasSubstr("5 raw bits; expected at most 4"));
  EXPECT_THAT(refusal_with(test::kEscapeLengthAt, {9}), HasSubstr("an escape code of 9 bits"));
  EXPECT_THAT(refusal_with(test::kRawBitsAt, {4}), HasSubstr("3 symbols from 97 on; there are 16"));
  EXPECT_THAT(refusal_with(test::kRawBitsAt, {4, 15, 16}), HasSubstr("17 symbols from 15 on"));
}

TEST_F(LaneRefusal, NibblesHaveNoRawBitsAndNoEscapes) {
  EXPECT_THAT(refusal_with(0, {1, 0, 0, 0, 1, 1, 0, 2, 0}), HasSubstr("1 raw bits; expected at"));
  EXPECT_THAT(refusal_with(0, {1}), HasSubstr("an escape code of 3 bits; expected at most 0"));
  EXPECT_THAT(refusal_with(0, {1, 0, 0, 0, 1, 0, 16, 2, 0}), HasSubstr("there are 16 symbols"));
}

TEST_F(LaneRefusal, SegmentsStoredAsTheyAre) {
  const Bytes plain = test::join_segments(false, 0, {test::reference_plain_segment(Bytes(9))});
  EXPECT_TRUE(decoders_.decode(plain, 9).ok);
  EXPECT_THAT(refusal(plain, 10), HasSubstr("as it is has 9 of its 10 bytes"));
  EXPECT_THAT(refusal(plain, 8), HasSubstr("1 stored bytes behind the last segment"));
  for (size_t at : {test::kRawBitsAt, test::kFirstSymbolAt, test::kSpanLessOneAt,
                    test::kEscapeLengthAt, test::kEscapeCountAt + 3, test::kEscapeBytesAt}) {
    Bytes stored = plain;
    stored[at] = std::byte{1};
    EXPECT_THAT(refusal(stored, 9), HasSubstr("a segment of 0 groups has a code")) << at;
  }
}

TEST_F(LaneRefusal, SegmentsWithoutARow) {
  EXPECT_THAT(refusal(example_, 63), HasSubstr("a coded segment of 63 bytes has no row"));
  EXPECT_THAT(refusal(example_, 1), HasSubstr("has no row"));
  Bytes four = changed(test::kGroupsAt, {4});
  EXPECT_THAT(refusal(four, 255), HasSubstr("a coded segment of 255 bytes has no row"));
  LaneRecipe nibbles;
  nibbles.nibbles = true;
  EXPECT_THAT(refusal(test::reference_stream(nibbles, Bytes(64)), 63), HasSubstr("has no row"));
}

TEST_F(LaneRefusal, CodeLengths) {
  const size_t lengths_at = 0x18;
  EXPECT_THAT(refusal(Bytes(example_.begin(), example_.begin() + lengths_at + 1), 450),
              HasSubstr("code lengths are cut off"));
  EXPECT_THAT(refusal_with(lengths_at, {0x29}), HasSubstr("code length 9 at place 0 of 3"));
  EXPECT_THAT(refusal_with(lengths_at, {0xF1}), HasSubstr("code length 15 at place 1 of 3"));
  EXPECT_THAT(refusal_with(lengths_at + 1, {0x13}), HasSubstr("code length 1 at place 3 of 3"));
  EXPECT_THAT(refusal_with(lengths_at, {0x22}), HasSubstr("fill 192 of 256 parts"));
  EXPECT_THAT(refusal_with(lengths_at, {0x11}), HasSubstr("fill 320 of 256 parts"));
  EXPECT_THAT(refusal_with(test::kEscapeLengthAt, {0}), HasSubstr("fill 224 of 256 parts"));
  EXPECT_THAT(refusal_with(lengths_at, {0, 0}), HasSubstr("fill 32 of 256 parts"));
}

TEST_F(LaneRefusal, GroupSizes) {
  EXPECT_THAT(refusal_with(test::kGroupSizesAt, {127}), HasSubstr("a group's stream of 127 bytes"));
  EXPECT_THAT(refusal_with(test::kGroupSizesAt, {0}), HasSubstr("a group's stream of 0 bytes"));
  EXPECT_THAT(refusal_with(test::kGroupSizesAt, {0x86}), HasSubstr("streams take 138 bytes"));
  EXPECT_THAT(refusal_with(test::kGroupSizesAt, {255, 255, 255, 255}),
              HasSubstr("streams take 4294967299 bytes; there are 137"));
  LaneRecipe four = example_recipe();
  four.groups = 4;
  Bytes huge = test::reference_stream(four, example_plane());
  std::fill_n(huge.begin() + test::kGroupSizesAt, 16, std::byte{255});
  EXPECT_THAT(refusal(huge, 450), HasSubstr("streams take 17179869"));
  // One byte less or more, and the stored bytes fit: only decoding can tell.
  Bytes shorter = changed(test::kGroupSizesAt, {0x84});
  shorter.erase(shorter.begin() + 0x9E);
  EXPECT_THAT(refusal(shorter, 450), HasSubstr("group 0's stream ends early"));
  Bytes longer = changed(test::kGroupSizesAt, {0x87});
  longer.insert(longer.begin() + 0x9F, 2, std::byte{0});
  EXPECT_THAT(refusal(longer, 450), HasSubstr("group 0's stream has 2 bytes too many"));
}

TEST_F(LaneRefusal, LoneSymbolsHaveNoStream) {
  LaneRecipe lone;
  lone.groups = 4;
  Bytes stored = test::reference_stream(lone, Bytes(256));
  EXPECT_TRUE(decoders_.decode(stored, 256).ok);
  stored[test::kGroupSizesAt + 8] = std::byte{128};
  stored.resize(stored.size() + 128);
  EXPECT_THAT(refusal(stored, 256), HasSubstr("a group's stream of 128 bytes"));
}

TEST_F(LaneRefusal, UnusedBits) {
  // Lane 0 has used 5 bits of b0 00 when all is done, lanes from 3 on 7 bits of 00 00.
  EXPECT_THAT(refusal_with(0x9A, {0xB4}), HasSubstr("does not end in zero bits"));
  EXPECT_THAT(refusal_with(0x9C, {0x80}), HasSubstr("does not end in zero bits"));
  EXPECT_THAT(refusal_with(0x9C, {0x01}), HasSubstr("does not end in zero bits"));
  EXPECT_THAT(refusal_with(0x1A + 63, {0x01}), HasSubstr("group 0's stream does not end in zero"));
  EXPECT_THAT(refusal_with(0x5A + 63, {0x01}), HasSubstr("does not end in zero bits"));
}

TEST_F(LaneRefusal, EscapedBytes) {
  EXPECT_THAT(refusal_with(test::kEscapeBytesAt, {3}), HasSubstr("2 escaped bytes in 3 stored"));
  EXPECT_THAT(refusal_with(test::kEscapeCountAt, {0xC1, 1}),
              HasSubstr("449 escaped bytes in 2 stored ones; expected at most 448"));
  EXPECT_THAT(refusal_with(test::kEscapeCountAt, {255, 255, 255, 255, 255, 255, 255, 255}),
              HasSubstr("4294967295 escaped bytes"));
  Bytes fewer = changed(test::kEscapeCountAt, {1, 0, 0, 0, 1});
  fewer.erase(fewer.begin() + 0x9F);
  EXPECT_THAT(refusal(fewer, 450), HasSubstr("the escaped bytes end early"));
  Bytes more = changed(test::kEscapeCountAt, {3, 0, 0, 0, 3});
  more.insert(more.begin() + 0x9F, std::byte{'!'});
  EXPECT_THAT(refusal(more, 450), HasSubstr("1 escaped bytes too many"));
  LaneRecipe two;
  two.lengths = {1, 1};
  Bytes none = test::reference_stream(two, Bytes(64));
  EXPECT_TRUE(decoders_.decode(none, 64).ok);
  none[test::kEscapeCountAt] = none[test::kEscapeBytesAt] = std::byte{1};
  none.push_back(std::byte{0});
  EXPECT_THAT(refusal(none, 64), HasSubstr("1 escaped bytes in 1 stored ones; expected at most 0"));
}

TEST_F(LaneRefusal, NestedStreams) {
  const std::string cut = refusal_with(test::kEscapeBytesAt, {0});
  EXPECT_THAT(cut, HasSubstr("0 stored bytes; expected 4"));
  EXPECT_THAT(cut, HasSubstr("escaped bytes"));
  // 400 escapes, of which the nested stream escapes 396, of which a third escapes none.
  LaneRecipe third;
  third.first_symbol = 'y';
  LaneRecipe second;
  second.first_symbol = 'x';
  second.lengths = {1};
  second.escape_length = 1;
  LaneRecipe first = example_recipe();
  Bytes plane(2000, std::byte{'a'});
  for (size_t i = 0; i < 400; ++i) plane[5 * i] = i < 4 ? std::byte{'x'} : std::byte{'y'};
  second.nested = &third;
  first.nested = &second;
  EXPECT_THAT(refusal(test::reference_stream(first, plane), 2000),
              HasSubstr("escaped bytes of escaped bytes are coded"));
  first.nested = &third;
  for (size_t i = 0; i < 4; ++i) plane[5 * i] = std::byte{'y'};
  Bytes good = test::reference_stream(first, plane);
  const auto outcome = decoders_.decode(good, 2000);
  ASSERT_TRUE(outcome.ok) << outcome.message;
  EXPECT_EQ(outcome.decoded, plane);
}

}  // namespace
}  // namespace qload
