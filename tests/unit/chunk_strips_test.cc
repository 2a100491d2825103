// ChunkStrips: whatever the pieces, the bytes are decode_chunk's, and hostile bytes stay harmless.
#include "format/chunk/chunk_strips.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tests/support/allocation_count.h"
#include "tests/support/test_files.h"

namespace qload {
namespace {

using test::gaussian_bf16;
using test::gaussian_f32;
using test::gaussian_int8;
using test::random_bytes;
using ::testing::HasSubstr;

struct Coded {
  std::vector<std::byte> decoded;
  ChunkForm form;
  std::vector<std::byte> stored;
};

Coded encode(std::vector<std::byte> decoded, const ChunkRecipe& recipe) {
  EncodeContext context;
  Coded coded;
  coded.decoded = std::move(decoded);
  coded.form = encode_chunk(context, coded.decoded, recipe, coded.stored);
  return coded;
}

std::vector<std::vector<std::byte>> inputs(size_t bytes) {
  auto bf16 = gaussian_bf16(bytes / 2 + 1, 0.02, bytes);
  auto f32 = gaussian_f32(bytes / 4 + 1, 0.02, bytes);
  bf16.resize(bytes);
  f32.resize(bytes);
  return {random_bytes(bytes, bytes), gaussian_int8(bytes, 6.0, bytes),
          std::vector<std::byte>(bytes, std::byte{5}), bf16, f32};
}

/// Decodes all of it in pieces of the sizes that `next_size` gives, some of them skipped.
template <class NextSize>
void expect_pieces(ChunkStrips& strips, const Coded& coded, NextSize next_size, bool skipping) {
  const Status opened = strips.open(coded.form, coded.stored);
  ASSERT_TRUE(opened.ok()) << opened.error().message();
  std::vector<std::byte> piece;
  size_t at = 0;
  for (int number = 0; at < coded.decoded.size(); ++number) {
    ASSERT_EQ(strips.bytes_left(), coded.decoded.size() - at);
    const size_t bytes = std::min<size_t>(next_size(), coded.decoded.size() - at);
    const auto expected = std::span(coded.decoded).subspan(at, bytes);
    const auto ready = strips.ready();
    ASSERT_LE(ready.size(), strips.bytes_left());
    ASSERT_TRUE(std::equal(ready.begin(), ready.end(), coded.decoded.begin() + at));
    if (skipping && number % 3 == 1) {
      ASSERT_TRUE(strips.skip(bytes).ok());
    } else {
      piece.assign(bytes + 1, std::byte{0xA5});
      const Status status = strips.next(std::span(piece).first(bytes));
      ASSERT_TRUE(status.ok()) << status.error().message();
      ASSERT_TRUE(std::equal(expected.begin(), expected.end(), piece.begin())) << at;
      ASSERT_EQ(piece[bytes], std::byte{0xA5});
    }
    at += bytes;
  }
  ASSERT_EQ(strips.bytes_left(), 0u);
  ASSERT_TRUE(strips.ready().empty());
}

void expect_any_pieces(ChunkStrips& strips, const Coded& coded, uint64_t seed) {
  for (const size_t size : {size_t{1}, size_t{3}, size_t{255}, size_t{256}, size_t{257},
                            size_t{4096}, size_t{5000}, coded.decoded.size()}) {
    if (coded.decoded.size() > 2000 * size) continue;
    ASSERT_NO_FATAL_FAILURE(expect_pieces(
        strips, coded, [size] { return size; }, false))
        << size;
  }
  std::mt19937_64 generator(seed);
  const auto any = [&generator] {
    const uint64_t sizes[] = {generator() % 8, generator() % 600, generator() % 20000,
                              256 * (generator() % 80)};
    return static_cast<size_t>(sizes[generator() % 4]);
  };
  ASSERT_NO_FATAL_FAILURE(expect_pieces(strips, coded, any, false)) << "seed " << seed;
  ASSERT_NO_FATAL_FAILURE(expect_pieces(strips, coded, any, true)) << "seed " << seed;
}

TEST(ChunkStrips, EveryFilterAndCodecInPiecesOfAnySize) {
  ChunkStrips strips;
  for (const size_t length : {1u, 2u, 7u, 255u, 256u, 257u, 1000u, 4097u, 70'001u}) {
    for (const auto& input : inputs(length)) {
      for (const Filter& filter : all_filters()) {
        for (const Codec& codec : all_codecs()) {
          SCOPED_TRACE(testing::Message() << filter.name << " " << codec.name << " " << length);
          const Coded coded = encode(input, {.filter = filter.id, .codec = codec.id});
          ASSERT_NO_FATAL_FAILURE(expect_any_pieces(strips, coded, length));
        }
      }
    }
  }
}

TEST(ChunkStrips, MixedCodecsOfStreams) {
  ChunkStrips strips;
  ChunkRecipe recipe{.filter = FilterId::kBytePlanes4, .codec = CodecId::kLaneHuffman};
  recipe.streams[1] = StreamRecipe{CodecId::kFse, {}};
  recipe.streams[3] = StreamRecipe{CodecId::kZstd, {}};
  expect_any_pieces(strips, encode(gaussian_f32(100'000, 0.02, 3), recipe), 8);
}

// What is raw, or decoded when it is opened, is shown where it lies.
TEST(ChunkStrips, ReadyBytesNeedNoCopy) {
  ChunkStrips strips;
  const Coded raw = encode(random_bytes(100'000, 3), {});
  ASSERT_TRUE(raw.form.stored_raw());
  ASSERT_TRUE(strips.open(raw.form, raw.stored).ok());
  EXPECT_EQ(strips.ready().data(), raw.stored.data());
  EXPECT_EQ(strips.ready().size(), raw.stored.size());
  ASSERT_TRUE(strips.skip(777).ok());
  EXPECT_EQ(strips.ready().data(), raw.stored.data() + 777);

  const Coded whole = encode(gaussian_int8(100'000, 4, 3), {.codec = CodecId::kZstd});
  ASSERT_TRUE(strips.open(whole.form, whole.stored).ok());
  EXPECT_TRUE(std::ranges::equal(strips.ready(), whole.decoded));

  const Coded coded = encode(gaussian_int8(100'000, 4, 3), {.codec = CodecId::kLaneHuffman});
  ASSERT_TRUE(strips.open(coded.form, coded.stored).ok());
  EXPECT_TRUE(strips.ready().empty());
  std::byte first[3];
  ASSERT_TRUE(strips.next(first).ok());
  EXPECT_FALSE(strips.ready().empty()) << "a step was begun";
}

TEST(ChunkStrips, ReservedChunksAllocateNothingTheSecondTime) {
  std::vector<Coded> all;
  for (const Codec& codec : all_codecs()) {
    all.push_back(encode(gaussian_int8(300'000, 6, 3), {.codec = codec.id}));
    all.push_back(encode(std::vector<std::byte>(300'000), {.codec = codec.id}));
    all.push_back(encode(gaussian_bf16(150'000, 0.02, 3),
                         {.filter = FilterId::kFloatPlanes2, .codec = codec.id}));
    all.push_back(encode(gaussian_int8(210 * 1000, 6, 3),
                         {.filter = FilterId::kQ6_KFields, .codec = codec.id}));
  }
  ChunkStrips strips;
  for (const Coded& coded : all) strips.reserve(coded.form);
  std::vector<std::byte> decoded(300'000);
  const auto decode_all = [&] {
    for (const Coded& coded : all) {
      ASSERT_TRUE(strips.open(coded.form, coded.stored).ok());
      while (strips.bytes_left() > 0) {
        const auto piece = std::span(decoded).first(std::min<uint64_t>(5000, strips.bytes_left()));
        ASSERT_TRUE(strips.next(piece).ok());
      }
    }
  };
  ASSERT_NO_FATAL_FAILURE(decode_all());
  const uint64_t before = test::allocation_count();
  ASSERT_GT(before, 0u);
  ASSERT_NO_FATAL_FAILURE(decode_all());
  EXPECT_EQ(test::allocation_count(), before);
}

TEST(ChunkStrips, OpenBeginsAnewWhateverCameBefore) {
  ChunkStrips strips;
  const Coded a = encode(gaussian_bf16(50'000, 0.02, 1),
                         {.filter = FilterId::kBytePlanes2, .codec = CodecId::kLaneHuffman});
  const Coded b = encode(gaussian_int8(70'000, 5, 2), {.codec = CodecId::kLaneHuffman});
  std::vector<std::byte> piece(10'001);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(strips.open(a.form, a.stored).ok());
    ASSERT_TRUE(strips.next(piece).ok());
    EXPECT_TRUE(std::equal(piece.begin(), piece.end(), a.decoded.begin()));
    ASSERT_TRUE(strips.open(b.form, b.stored).ok());
    ASSERT_TRUE(strips.next(piece).ok());
    EXPECT_TRUE(std::equal(piece.begin(), piece.end(), b.decoded.begin()));
  }
  ChunkStrips moved = std::move(strips);
  ASSERT_TRUE(moved.next(piece).ok());
  EXPECT_TRUE(std::equal(piece.begin(), piece.end(), b.decoded.begin() + 10'001));
}

// An error or wrong bytes, at open or at any piece; after an error the chunk is closed.
TEST(ChunkStrips, HostileStoredBytesNeverEscape) {
  ChunkStrips strips;
  std::mt19937_64 generator(11);
  uint64_t errors = 0;
  for (const Filter& filter : all_filters()) {
    for (const Codec& codec : all_codecs()) {
      const Coded coded =
          encode(gaussian_bf16(3000, 0.02, 9), {.filter = filter.id, .codec = codec.id});
      std::vector<std::byte> piece(701);
      for (int round = 0; round < 60; ++round) {
        auto damaged = coded.stored;
        damaged[generator() % damaged.size()] ^= std::byte{0x41};
        if (round % 4 == 0) damaged = random_bytes(damaged.size(), generator());
        Status status = strips.open(coded.form, damaged);
        while (status.ok() && strips.bytes_left() > 0) {
          const uint64_t bytes = std::min<uint64_t>(piece.size(), strips.bytes_left());
          status = round % 2 == 0 ? strips.skip(bytes) : strips.next(std::span(piece).first(bytes));
        }
        if (status.ok()) continue;
        ++errors;
        EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt);
        EXPECT_EQ(strips.bytes_left(), 0u);
      }
      ASSERT_NO_FATAL_FAILURE(expect_pieces(
          strips, coded, [] { return size_t{701}; }, false))
          << "works again";
    }
  }
  EXPECT_GT(errors, 0u);
}

TEST(ChunkStrips, AnErrorNamesItsStream) {
  ChunkStrips strips;
  Coded coded = encode(gaussian_bf16(4000, 0.02, 9), {.filter = FilterId::kBytePlanes2});
  coded.stored[coded.form.streams[0].stored_bytes] ^= std::byte{0xFF};
  const Status status = strips.open(coded.form, coded.stored);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.error().message()), HasSubstr("stream 1: no zstd frame"));
}

}  // namespace
}  // namespace qload
