// Codecs: every one gives back what it took, and answers hostile bytes with an error.
#include "format/codec/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <string>

#include "tests/support/test_files.h"

namespace qload {
namespace {

using test::gaussian_int8;
using test::random_bytes;
using ::testing::HasSubstr;

constexpr CodecParameters kSettings[] = {{.level = 1, .literals_only = true},
                                         {.level = 1, .literals_only = false},
                                         {.level = 3, .literals_only = false},
                                         {.level = -5, .literals_only = false},
                                         {.level = 19, .literals_only = false}};

std::vector<std::byte> ramp(size_t count) {
  std::vector<std::byte> bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i / 3);
  return bytes;
}

std::array<std::vector<std::byte>, 4> inputs(size_t count) {
  return {random_bytes(count, count), gaussian_int8(count, 8.0, count),
          std::vector<std::byte>(count, std::byte{0x42}), ramp(count)};
}

/// What `encode` writes, in memory of exactly its size, or nothing.
std::optional<std::vector<std::byte>> encoded(Encoder& encoder, std::span<const std::byte> decoded,
                                              size_t capacity) {
  std::vector<std::byte> stored(capacity);
  const auto bytes = encoder.encode(decoded, stored);
  if (!bytes) return std::nullopt;
  EXPECT_LE(*bytes, capacity);
  stored.resize(*bytes);
  stored.shrink_to_fit();
  return stored;
}

TEST(Codec, RegistryIsOrderedAndNamed) {
  std::set<std::string_view> names;
  int last = -1;
  for (const Codec& codec : all_codecs()) {
    EXPECT_GT(static_cast<int>(codec.id), last);
    last = static_cast<int>(codec.id);
    EXPECT_LT(static_cast<size_t>(last), kCodecIdCount);
    EXPECT_TRUE(names.insert(codec.name).second) << codec.name;
    EXPECT_EQ(find_codec(codec.id), &codec);
    EXPECT_EQ(find_codec(codec.name), &codec);
  }
  EXPECT_EQ(find_codec(static_cast<CodecId>(63)), nullptr);
  EXPECT_EQ(find_codec(static_cast<CodecId>(255)), nullptr);
  EXPECT_EQ(find_codec("no such codec"), nullptr);
  EXPECT_EQ(find_codec("store")->id, static_cast<CodecId>(0));
  EXPECT_EQ(find_codec("constant")->id, static_cast<CodecId>(1));
  EXPECT_EQ(find_codec("zstd")->id, static_cast<CodecId>(2));
  EXPECT_EQ(find_codec("lane_huffman")->id, static_cast<CodecId>(3));
}

TEST(Codec, RoundTripAtEveryLength) {
  for (const Codec& codec : all_codecs()) {
    auto decoder = codec.make_decoder();
    for (const CodecParameters& setting : kSettings) {
      auto encoder = codec.make_encoder(setting);
      for (size_t length = 0; length <= 300; ++length) {
        if (setting.level == 19 && length % 37 != 0) continue;  // Slow under qemu.
        for (const auto& input : inputs(length)) {
          const auto stored = encoded(*encoder, input, length + 128);
          if (!stored) {
            EXPECT_EQ(codec.id, CodecId::kConstant);
            continue;
          }
          std::vector<std::byte> decoded(length);
          const auto status = decoder->decode(*stored, decoded);
          ASSERT_TRUE(status.ok()) << codec.name << " " << length << status.error().message();
          ASSERT_EQ(decoded, input) << codec.name << ", " << length << " bytes";
        }
      }
    }
  }
}

TEST(Codec, RoundTripOfLargeOddSizes) {
  for (const Codec& codec : all_codecs()) {
    auto decoder = codec.make_decoder();
    auto encoder = codec.make_encoder({});
    for (size_t length : {4095u, 131071u, 131072u, 131073u, 1048577u}) {
      for (const auto& input : inputs(length)) {
        const auto stored = encoded(*encoder, input, length + length / 128 + 128);
        if (!stored) continue;
        std::vector<std::byte> decoded(length);
        ASSERT_TRUE(decoder->decode(*stored, decoded).ok()) << codec.name;
        ASSERT_EQ(decoded, input) << codec.name << ", " << length << " bytes";
      }
    }
  }
}

TEST(Codec, SameBytesFromAnyEncoderOfTheSameSetting) {
  const auto input = gaussian_int8(200'001, 7.7, 1);
  const auto other = ramp(5000);
  for (const Codec& codec : all_codecs()) {
    for (const CodecParameters& setting : kSettings) {
      auto fresh = codec.make_encoder(setting);
      auto used = codec.make_encoder(setting);
      encoded(*used, other, 6000);
      EXPECT_EQ(encoded(*fresh, input, input.size() + 1000),
                encoded(*used, input, input.size() + 1000))
          << codec.name;
    }
  }
}

TEST(Codec, OutputTooSmallGivesNothing) {
  const auto input = gaussian_int8(5000, 7.7, 1);
  for (const Codec& codec : all_codecs()) {
    auto encoder = codec.make_encoder({});
    const auto whole = encoded(*encoder, input, 6000);
    if (!whole) continue;  // The constant codec has nothing to say here.
    for (size_t capacity : {size_t{0}, size_t{1}, size_t{17}, whole->size() - 1}) {
      EXPECT_EQ(encoded(*encoder, input, capacity), std::nullopt) << codec.name << " " << capacity;
    }
    EXPECT_EQ(encoded(*encoder, input, 6000), whole) << "the encoder works again";
  }
}

TEST(Codec, ConstantTakesOnlyEqualBytes) {
  const Codec& codec = *find_codec(CodecId::kConstant);
  auto encoder = codec.make_encoder({});
  std::vector<std::byte> input(1000, std::byte{7});
  EXPECT_EQ(encoded(*encoder, input, 999)->size(), 1u);
  EXPECT_EQ(encoded(*encoder, input, 0), std::nullopt);
  for (size_t at : {0u, 1u, 500u, 999u}) {
    auto changed = input;
    changed[at] = std::byte{8};
    EXPECT_EQ(encoded(*encoder, changed, 999), std::nullopt) << at;
  }
  auto decoder = codec.make_decoder();
  std::vector<std::byte> decoded(10);
  EXPECT_FALSE(decoder->decode({}, decoded).ok());
  EXPECT_FALSE(decoder->decode(std::span(input).first(2), decoded).ok());
  EXPECT_FALSE(decoder->decode(std::span(input).first(1), {}).ok());
}

TEST(Codec, DecodingToAnotherSizeIsCorrupt) {
  const auto input = gaussian_int8(3000, 7.7, 1);
  for (const Codec& codec : all_codecs()) {
    if (codec.id == CodecId::kConstant) continue;  // Any size is right for it.
    auto encoder = codec.make_encoder({});
    auto decoder = codec.make_decoder();
    const auto stored = encoded(*encoder, input, 4000);
    for (size_t bytes : {0u, 1u, 2999u, 3001u, 100'000u}) {
      std::vector<std::byte> decoded(bytes);
      const auto status = decoder->decode(*stored, decoded);
      ASSERT_FALSE(status.ok()) << codec.name << " " << bytes;
      EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt);
    }
    std::vector<std::byte> decoded(3000);
    EXPECT_TRUE(decoder->decode(*stored, decoded).ok()) << "the decoder works again";
    EXPECT_EQ(decoded, input);
  }
}

TEST(Codec, TruncationAtEveryByteIsCorrupt) {
  const auto input = gaussian_int8(700, 4.5, 5);
  for (const Codec& codec : all_codecs()) {
    auto encoder = codec.make_encoder({});
    auto decoder = codec.make_decoder();
    const auto stored = encoded(*encoder, input, 900);
    if (!stored) continue;
    for (size_t bytes = 0; bytes < stored->size(); ++bytes) {
      std::vector<std::byte> cut(stored->begin(), stored->begin() + bytes);
      std::vector<std::byte> decoded(input.size());
      const auto status = decoder->decode(cut, decoded);
      ASSERT_FALSE(status.ok()) << codec.name << " " << bytes;
      EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt);
    }
  }
}

// A flipped literal may decode to other bytes; checksums are the container's. It must not crash.
TEST(Codec, DamageNeverEscapes) {
  const auto input = gaussian_int8(900, 4.5, 5);
  for (const Codec& codec : all_codecs()) {
    auto decoder = codec.make_decoder();
    for (const CodecParameters& setting : {kSettings[0], kSettings[2]}) {
      auto encoder = codec.make_encoder(setting);
      const auto stored = encoded(*encoder, input, 1200);
      if (!stored) continue;
      for (size_t at = 0; at < stored->size(); ++at) {
        for (int flip : {0x01, 0x80, 0xFF}) {
          auto damaged = *stored;
          damaged[at] ^= static_cast<std::byte>(flip);
          std::vector<std::byte> decoded(input.size());
          static_cast<void>(decoder->decode(damaged, decoded));
        }
      }
    }
    for (uint64_t seed = 0; seed < 500; ++seed) {
      auto noise = random_bytes(seed % 97, seed);
      const uint8_t magic[] = {0x28, 0xB5, 0x2F, 0xFD};
      if (seed % 2 == 0 && noise.size() >= 4) std::memcpy(noise.data(), magic, 4);
      std::vector<std::byte> decoded(seed % 53 * 100);
      static_cast<void>(decoder->decode(noise, decoded));
    }
  }
}

class ZstdFrame : public ::testing::Test {
 protected:
  /// The message that refuses `stored`, or "" when it decodes.
  std::string refusal(std::span<const std::byte> stored, size_t decoded_bytes) {
    std::vector<std::byte> decoded(decoded_bytes);
    const auto status = decoder_->decode(stored, decoded);
    if (status.ok()) return "";
    EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt);
    return std::string(status.error().message());
  }
  static std::vector<std::byte> bytes(std::initializer_list<int> values) {
    std::vector<std::byte> all;
    for (int value : values) all.push_back(static_cast<std::byte>(value));
    return all;
  }
  std::unique_ptr<Decoder> decoder_ = find_codec(CodecId::kZstd)->make_decoder();
};

// Frames written by hand from RFC 8878: magic, descriptor, [window], content size, one last raw
// block of 3 bytes (header 0x19 = last, raw, size 3).
TEST_F(ZstdFrame, HandWrittenFrames) {
  EXPECT_EQ(refusal(bytes({0x28, 0xB5, 0x2F, 0xFD, 0x20, 3, 0x19, 0, 0, 1, 2, 3}), 3), "");
  EXPECT_THAT(refusal(bytes({0x28, 0xB5, 0x2F, 0xFD, 0x20, 3, 0x19, 0, 0, 1, 2, 3, 0}), 3),
              HasSubstr("takes 12 of 13"));
  EXPECT_THAT(refusal(bytes({0x28, 0xB5, 0x2F, 0xFD, 0x21, 9, 3, 0x19, 0, 0, 1, 2, 3}), 3),
              HasSubstr("dictionary"));
  EXPECT_THAT(refusal(bytes({0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x00, 0x19, 0, 0, 1, 2, 3}), 3),
              HasSubstr("lacks its content size"));
  EXPECT_THAT(refusal(bytes({0x50, 0x2A, 0x4D, 0x18, 2, 0, 0, 0, 1, 1}), 0),
              HasSubstr("no zstd frame"));
  EXPECT_THAT(refusal(bytes({0x28, 0xB5, 0x2F, 0xFD, 0x20}), 0), HasSubstr("no zstd frame"));
  EXPECT_THAT(refusal(bytes({0x28, 0xB5, 0x2F, 0xFD, 0x20, 4, 0x19, 0, 0, 1, 2, 3}), 3),
              HasSubstr("holds 4 bytes; expected 3"));
}

// Window of 16 MiB (exponent 14 << 3) is the limit; one mantissa step more is refused.
TEST_F(ZstdFrame, WindowIsBounded) {
  const auto frame = [](int window) {
    return bytes({0x28, 0xB5, 0x2F, 0xFD, 0x80, window, 3, 0, 0, 0, 0x19, 0, 0, 1, 2, 3});
  };
  EXPECT_EQ(refusal(frame(14 << 3), 3), "");
  EXPECT_THAT(refusal(frame((14 << 3) + 1), 3), HasSubstr("window of 18874368"));
  EXPECT_THAT(refusal(frame(0xFF), 3), HasSubstr("window"));
}

TEST_F(ZstdFrame, TwoFramesAreRefused) {
  auto encoder = find_codec(CodecId::kZstd)->make_encoder({});
  auto stored = encoded(*encoder, gaussian_int8(500, 3, 1), 600).value();
  const auto once = stored;
  stored.insert(stored.end(), once.begin(), once.end());
  EXPECT_NE(refusal(stored, 500), "");
  EXPECT_NE(refusal(stored, 1000), "");
  EXPECT_EQ(refusal(once, 500), "");
}

// The reason for the mode: on weights it is at least as small as the level it replaces.
TEST(ZstdLiteralsOnly, IsNoLargerThanLevel1OnWeights) {
  const Codec& codec = *find_codec(CodecId::kZstd);
  auto literals = codec.make_encoder({.level = 1, .literals_only = true});
  auto level1 = codec.make_encoder({.level = 1, .literals_only = false});
  for (double sigma : {4.45, 7.74, 10.95, 28.9}) {
    const auto input = gaussian_int8(1 << 20, sigma, 11);
    const size_t a = encoded(*literals, input, input.size()).value().size();
    const size_t b = encoded(*level1, input, input.size()).value().size();
    EXPECT_LE(static_cast<double>(a), static_cast<double>(b) * 1.001) << "sigma " << sigma;
  }
}

}  // namespace
}  // namespace qload
