// Streams that the encoder does not write, but the format allows: written by the reference, read by
// every kernel. And streams with damage: all kernels must say the same, and the reference too.
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

Bytes part(const Bytes& bytes, size_t from, size_t to) {
  return {bytes.begin() + static_cast<ptrdiff_t>(from), bytes.begin() + static_cast<ptrdiff_t>(to)};
}

bool is_nested(const Bytes& stored) {
  for (size_t i = 4; i-- > 0;) {
    const auto bytes = stored[test::kEscapeBytesAt + i];
    const auto count = stored[test::kEscapeCountAt + i];
    if (bytes != count) return bytes < count;
  }
  return false;
}

/// All kernels agree with each other and with the reference.
void expect_agreement(test::LaneDecoders& decoders, const Bytes& stored, size_t decoded_bytes,
                      const std::string& what) {
  const test::LaneOutcome outcome = decoders.decode(stored, decoded_bytes);
  ASSERT_EQ(outcome.disagreement, "") << what;
  const auto expected = test::reference_decode(stored, decoded_bytes);
  ASSERT_EQ(outcome.ok, expected.has_value()) << what << ": " << outcome.message;
  ASSERT_TRUE(!expected || outcome.decoded == *expected) << what << ": other bytes";
}

TEST(LaneStream, AnyCodeOfTheFormatDecodes) {
  test::LaneDecoders decoders;
  std::mt19937_64 random(1);
  size_t nested_count = 0;
  for (size_t round = 0; round < 1500; ++round) {
    const size_t length = 64 + random() % (round % 50 == 0 ? 20'000 : 1000);
    const auto plane = test::random_lane_plane(random, round / 2, length);
    const Bytes stored = test::random_lane_stream(random, plane, round % 4 == 0);
    nested_count += is_nested(stored);
    const std::string what = "round " + std::to_string(round);
    const test::LaneOutcome outcome = decoders.decode(stored, length);
    ASSERT_EQ(outcome.disagreement, "") << what;
    ASSERT_TRUE(outcome.ok) << what << ": " << outcome.message;
    ASSERT_TRUE(outcome.decoded == plane) << what << ": other bytes";
    const auto strips = decoders.decode_in_strips(stored, length, 256 * (1 + random() % 8));
    ASSERT_TRUE(strips.ok && strips.decoded == plane && strips.disagreement.empty()) << what;
  }
  EXPECT_GT(nested_count, 20u);
}

/// A code of a, b and escapes, whose escapes are all one value: a nested lone symbol.
TEST(LaneStream, ANestedLoneSymbolDecodes) {
  Bytes plane(1000, std::byte{'a'});
  for (size_t i = 0; i < plane.size(); i += 3) plane[i] = std::byte{'x'};
  LaneRecipe inner;
  inner.first_symbol = 'x';
  LaneRecipe recipe;
  recipe.first_symbol = 'a';
  recipe.lengths = {1};
  recipe.escape_length = 1;
  recipe.nested = &inner;
  test::LaneDecoders decoders;
  const Bytes stored = test::reference_stream(recipe, plane);
  EXPECT_LT(stored[test::kEscapeBytesAt], stored[test::kEscapeCountAt]);
  const auto outcome = decoders.decode(stored, plane.size());
  ASSERT_TRUE(outcome.ok) << outcome.message;
  EXPECT_EQ(outcome.disagreement, "");
  EXPECT_EQ(outcome.decoded, plane);
}

TEST(LaneStream, SegmentsOfDifferentKinds) {
  test::LaneDecoders decoders;
  std::mt19937_64 random(3);
  constexpr size_t kSegment = 1 << 16;
  const auto plane = test::random_lane_plane(random, 0, 3 * kSegment + 777);
  std::vector<Bytes> segments;
  for (size_t at = 0; at < plane.size(); at += kSegment) {
    const Bytes bytes = part(plane, at, std::min(at + kSegment, plane.size()));
    segments.push_back(at == kSegment ? test::reference_plain_segment(bytes)
                                      : test::reference_segment(
                                            test::random_lane_recipe(random, bytes, false), bytes));
  }
  const Bytes stored = test::join_segments(false, 16, segments);
  for (size_t step : {size_t{256}, size_t{4096}, plane.size()}) {
    const auto outcome = decoders.decode_in_strips(stored, plane.size(), step);
    ASSERT_TRUE(outcome.ok) << outcome.message;
    EXPECT_EQ(outcome.disagreement, "");
    EXPECT_TRUE(outcome.decoded == plane);
  }
  EXPECT_FALSE(decoders.decode(stored, plane.size() - 1).ok);
  EXPECT_FALSE(decoders.decode(stored, plane.size() + 1).ok);
  EXPECT_FALSE(decoders.decode(part(stored, 0, stored.size() - 1), plane.size()).ok);
}

TEST(LaneStream, CutAtEveryByteIsCorrupt) {
  test::LaneDecoders decoders;
  std::mt19937_64 random(4);
  for (bool nibbles : {false, true}) {
    for (size_t length : {200u, 1100u}) {
      const auto plane = test::random_lane_plane(random, nibbles ? 4 : 9, length);
      const Bytes stored =
          test::reference_stream(test::random_lane_recipe(random, plane, nibbles), plane);
      for (size_t bytes = 0; bytes < stored.size(); ++bytes) {
        const auto outcome = decoders.decode(part(stored, 0, bytes), length);
        ASSERT_FALSE(outcome.ok) << bytes;
        ASSERT_EQ(outcome.disagreement, "") << bytes;
      }
      Bytes longer = stored;
      longer.push_back(std::byte{0});
      EXPECT_FALSE(decoders.decode(longer, length).ok);
    }
  }
}

TEST(LaneStream, EveryFlippedBitIsJudgedAlike) {
  test::LaneDecoders decoders;
  std::mt19937_64 random(5);
  for (size_t kind : {0u, 4u, 9u}) {
    const auto plane = test::random_lane_plane(random, kind, 330);
    const LaneRecipe recipe = test::random_lane_recipe(random, plane, kind == 4);
    Bytes stored = test::reference_stream(recipe, plane);
    for (size_t bit = 0; bit < 8 * stored.size(); ++bit) {
      stored[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
      expect_agreement(decoders, stored, plane.size(), "bit " + std::to_string(bit));
      if (HasFatalFailure()) return;
      stored[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    }
  }
}

TEST(LaneStream, DamagedStreamsAreJudgedAlike) {
  test::LaneDecoders decoders;
  std::mt19937_64 random(6);
  size_t valid = 0;
  for (size_t round = 0; round < 6000; ++round) {
    const size_t length = 64 + random() % 800;
    const auto plane = test::random_lane_plane(random, round, length);
    Bytes stored = test::random_lane_stream(random, plane, round % 4 == 0);
    test::corrupt_lane_stream(random, stored);
    const size_t asked = random() % 8 == 0 ? random() % 1000 : length;
    expect_agreement(decoders, stored, asked, "round " + std::to_string(round));
    if (HasFatalFailure()) return;
    valid += decoders.decode(stored, asked).ok;
  }
  EXPECT_GT(valid, 100u) << "some damage only changes bytes";
  EXPECT_LT(valid, 3000u);
}

}  // namespace
}  // namespace qload
