// lane_huffman's encoder and decoder: what goes in comes out, by every kernel, whole and in strips.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "format/base/histogram.h"
#include "format/codec/codec.h"
#include "format/codec/lane_huffman/lane_format.h"
#include "tests/support/lane_planes.h"
#include "tests/support/lane_reference.h"
#include "tests/support/test_files.h"

namespace qload {
namespace {

using Bytes = std::vector<std::byte>;

class LaneRoundTrip : public ::testing::Test {
 protected:
  /// Encodes and decodes by every kernel; returns the stream.
  Bytes round_trip(const Bytes& plane, const std::string& what) {
    std::string disagreement;
    Bytes stored = encoders_.encode(plane, disagreement);
    EXPECT_EQ(disagreement, "") << what;
    const test::LaneOutcome outcome = decoders_.decode(stored, plane.size());
    EXPECT_EQ(outcome.disagreement, "") << what;
    EXPECT_TRUE(outcome.ok) << what << ": " << outcome.message;
    EXPECT_TRUE(outcome.decoded == plane) << what << ": other bytes";
    return stored;
  }

  test::LaneEncoders encoders_;
  test::LaneDecoders decoders_;
};

TEST_F(LaneRoundTrip, EveryLengthAndKind) {
  std::mt19937_64 random(1);
  for (size_t length = 0; length <= 1000; ++length) {
    for (size_t kind = 0; kind < 3; ++kind) {
      const auto plane = test::random_lane_plane(random, length + kind * 3, length);
      round_trip(plane, std::to_string(length) + " bytes");
      if (HasFailure()) return;
    }
  }
}

/// Borders of rows, groups, the writer's 4 groups, and segments.
TEST_F(LaneRoundTrip, AroundBorders) {
  std::mt19937_64 random(2);
  for (size_t border : {2u << 10, 4u << 10, 16u << 10, 64u << 10, 128u << 10, 256u << 10}) {
    for (size_t length : {border - 65, border - 64, border - 1, border, border + 1, border + 63,
                          border + 64, border + 255, border + 256, border + 257}) {
      for (size_t kind = 0; kind < test::kLanePlaneKinds; ++kind) {
        if (length > 70'000 && kind % 3 != length % 3) continue;
        const auto plane = test::random_lane_plane(random, kind, length);
        round_trip(plane, std::to_string(length) + " bytes of kind " + std::to_string(kind));
        if (HasFailure()) return;
      }
    }
  }
}

TEST_F(LaneRoundTrip, TheReferenceReadsWhatTheEncoderWrites) {
  std::mt19937_64 random(3);
  for (size_t round = 0; round < 200; ++round) {
    const size_t length = round < 190 ? random() % 3000 : 30'000 + random() % 10'000;
    const auto plane = test::random_lane_plane(random, round, length);
    const Bytes stored = round_trip(plane, "round " + std::to_string(round));
    ASSERT_EQ(test::reference_decode(stored, length), plane) << "round " << round;
  }
}

/// Nothing but lanes, tables and padding may be lost to the entropy.
TEST_F(LaneRoundTrip, RatioOfWeights) {
  auto zstd = find_codec(CodecId::kZstd)->make_encoder({.level = 1, .literals_only = false});
  for (double entropy : {4.2, 4.99, 5.49, 6.0, 6.5, 6.87}) {
    const double sigma = std::exp2(entropy - 2.047);  // Of a normal distribution.
    const auto plane = test::gaussian_int8(1 << 20, sigma, 4);
    const Bytes stored = round_trip(plane, "entropy " + std::to_string(entropy));
    const auto ideal = static_cast<double>(order_0_bits(count_bytes(plane))) / 8;
    const auto size = static_cast<double>(stored.size());
    // Huffman's best code is itself 1.1 % above the entropy at 4.1 to 4.25 bits.
    EXPECT_LE(size, (entropy < 4.3 ? 1.015 : 1.013) * ideal) << entropy;
    Bytes by_zstd(plane.size());
    const auto zstd_bytes = zstd->encode(plane, by_zstd);
    EXPECT_LE(size, 1.001 * static_cast<double>(zstd_bytes.value())) << entropy;
    RecordProperty("percent_over_entropy_at_" + std::to_string(entropy),
                   std::to_string(100 * (size / ideal - 1)));
  }
}

TEST_F(LaneRoundTrip, LoneSymbolsTakeNothing) {
  for (size_t length : {200u, 4096u, 65'536u, 1u << 20}) {
    const Bytes stored = round_trip(Bytes(length, std::byte{0x3C}), "lone");
    EXPECT_LE(stored.size(), 37 + length % 256);
  }
  // Low nibbles are random and high ones are all the same: four raw bits and a lone symbol.
  auto plane = test::random_bytes(1 << 18, 5);
  for (std::byte& byte : plane) byte = (byte & std::byte{15}) | std::byte{0x70};
  const Bytes stored = round_trip(plane, "lone with raw bits");
  EXPECT_EQ(stored[test::kGroupsAt], std::byte{4});
  EXPECT_LE(stored.size(), (1u << 17) + 700);
}

TEST_F(LaneRoundTrip, PlanesOfTwoDistributionsAreCutInSegments) {
  Bytes plane = test::gaussian_int8(1 << 18, 2.0, 6);
  const Bytes wide = test::random_bytes(1 << 18, 7);
  plane.insert(plane.end(), wide.begin(), wide.end());
  plane.resize(plane.size() + 1000, std::byte{9});
  const Bytes stored = round_trip(plane, "two distributions");
  EXPECT_NE(stored[1], std::byte{0}) << "segments";
  EXPECT_LT(stored.size(), plane.size() * 3 / 4);
}

/// Clamped normal nibbles: as bytes they are 256 symbols, most of them too rare for 8 bits.
TEST_F(LaneRoundTrip, NibblesAreChosenForNibbles) {
  const auto halves = test::gaussian_int8(200'000, 9, 8);
  Bytes plane(halves.size() / 2);
  const auto nibble = [&](size_t i) {
    return static_cast<uint32_t>(std::clamp(static_cast<int8_t>(halves[i]) + 8, 0, 15));
  };
  for (size_t i = 0; i < plane.size(); ++i) {
    plane[i] = static_cast<std::byte>(nibble(2 * i) | nibble(2 * i + 1) << 4);
  }
  for (size_t length : {5000u, 32'767u, 32'768u, 32'769u, 100'000u}) {
    const Bytes part(plane.begin(), plane.begin() + static_cast<ptrdiff_t>(length));
    const Bytes stored = round_trip(part, "nibbles");
    EXPECT_EQ(stored[0], std::byte{kNibbles}) << length;
    const double entropy = static_cast<double>(order_0_bits(count_bytes(part))) / 8;
    EXPECT_LE(static_cast<double>(stored.size()), 1.02 * entropy + 700) << length;
  }
}

/// 5 values for each half: 25 bytes fit 5 bits better than two codes of 5 nibbles do.
TEST_F(LaneRoundTrip, NibblesAreNotChosenForTheirEntropyAlone) {
  auto plane = test::random_bytes(1 << 16, 8);
  for (std::byte& byte : plane) {
    const auto value = static_cast<uint32_t>(byte) % 25;
    byte = static_cast<std::byte>(value % 5 * 3 | value / 5 * 3 << 4);
  }
  const Bytes stored = round_trip(plane, "5 values a half");
  EXPECT_EQ(stored[0], std::byte{0});
  EXPECT_LE(stored.size(), plane.size() * 19 / 32 + 700);
}

TEST_F(LaneRoundTrip, ManyEscapesAreNested) {
  // Outliers everywhere: few per cent of the bytes, of all values.
  std::mt19937_64 random(9);
  Bytes plane(1 << 17);
  for (std::byte& byte : plane) {
    const uint64_t bits = random();
    byte = bits % 64 == 0 ? static_cast<std::byte>(100 + (bits >> 8) % 100)
                          : static_cast<std::byte>((bits >> 8) % 3);
  }
  const Bytes stored = round_trip(plane, "outliers");
  const auto field = [&](size_t at) {
    uint32_t value = 0;
    for (size_t i = 4; i-- > 0;) value = value << 8 | static_cast<uint32_t>(stored[at + i]);
    return value;
  };
  EXPECT_GT(field(test::kEscapeCountAt), 1000u);
  EXPECT_LT(field(test::kEscapeBytesAt), field(test::kEscapeCountAt));
}

TEST_F(LaneRoundTrip, StripsEqualTheWhole) {
  std::mt19937_64 random(10);
  for (size_t round = 0; round < 60; ++round) {
    const size_t length = random() % 150'000;
    auto plane = test::random_lane_plane(random, round, length);
    if (round % 4 == 0) {  // Segments.
      const auto other = test::random_lane_plane(random, round + 1, length);
      plane.insert(plane.end(), other.begin(), other.end());
    }
    std::string disagreement;
    const Bytes stored = encoders_.encode(plane, disagreement);
    for (size_t step : {256u, 512u, 1280u, 16'384u, 25'600u, 1u << 20}) {
      const auto outcome = decoders_.decode_in_strips(stored, plane.size(), step);
      ASSERT_TRUE(outcome.ok) << outcome.message << ", " << outcome.disagreement;
      ASSERT_TRUE(outcome.disagreement.empty()) << outcome.disagreement;
      ASSERT_TRUE(outcome.decoded == plane) << "round " << round << ", steps of " << step;
    }
  }
}

TEST_F(LaneRoundTrip, WhatDoesNotFitIsNotWritten) {
  const auto plane = test::gaussian_int8(40'000, 5.0, 11);
  auto encoder = find_codec(CodecId::kLaneHuffman)->make_encoder({});
  Bytes stored(plane.size());
  const size_t bytes = encoder->encode(plane, stored).value();
  stored.assign(bytes, std::byte{0});
  EXPECT_EQ(encoder->encode(plane, stored), bytes);
  for (size_t room : {size_t{0}, size_t{3}, size_t{4}, size_t{19}, size_t{30}, size_t{100},
                      bytes / 4, bytes / 2, bytes - 1000, bytes - 1}) {
    Bytes exact(room);
    EXPECT_EQ(encoder->encode(plane, exact), std::nullopt) << room;
  }
}

}  // namespace
}  // namespace qload
