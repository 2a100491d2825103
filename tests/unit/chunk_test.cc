// Chunks: every filter with every codec gives back its input, is never larger, and a form or
// stored bytes that contradict themselves are refused.
#include "format/chunk/chunk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>

#include "tests/support/test_files.h"

namespace qload {
namespace {

using test::gaussian_bf16;
using test::gaussian_f32;
using test::gaussian_int8;
using test::random_bytes;
using ::testing::HasSubstr;

std::vector<std::vector<std::byte>> inputs(size_t bytes) {
  auto bf16 = gaussian_bf16(bytes / 2 + 1, 0.02, bytes);
  auto f32 = gaussian_f32(bytes / 4 + 1, 0.02, bytes);
  bf16.resize(bytes);
  f32.resize(bytes);
  return {random_bytes(bytes, bytes), gaussian_int8(bytes, 6.0, bytes),
          std::vector<std::byte>(bytes, std::byte{0}), bf16, f32};
}

/// Around the cache, into memory of any alignment, between guards.
void expect_same_around_cache(DecodeContext& decode, const ChunkForm& form,
                              std::span<const std::byte> stored, std::span<const std::byte> input) {
  constexpr size_t kGuardBytes = 64;
  const size_t begin = kGuardBytes + input.size() % 67;
  std::vector<std::byte> memory(begin + input.size() + kGuardBytes, std::byte{0xA5});
  const auto decoded = std::span(memory).subspan(begin, input.size());
  decode.write_around_cache(true);
  const auto status = decode_chunk(decode, form, stored, decoded);
  decode.write_around_cache(false);
  ASSERT_TRUE(status.ok()) << status.error().message();
  ASSERT_TRUE(std::equal(input.begin(), input.end(), decoded.begin()));
  const auto untouched = [](std::byte b) { return b == std::byte{0xA5}; };
  ASSERT_TRUE(
      std::all_of(memory.begin(), memory.begin() + static_cast<ptrdiff_t>(begin), untouched));
  ASSERT_TRUE(std::all_of(memory.end() - kGuardBytes, memory.end(), untouched));
}

void expect_round_trip(EncodeContext& encode, DecodeContext& decode,
                       std::span<const std::byte> input, const ChunkRecipe& recipe) {
  std::vector<std::byte> stored;
  const ChunkForm form = encode_chunk(encode, input, recipe, stored);
  const auto checked = check_chunk_form(form);
  ASSERT_TRUE(checked.ok()) << checked.error().message();
  ASSERT_EQ(form.stored_bytes, stored.size());
  ASSERT_EQ(form.decoded_bytes, input.size());
  ASSERT_LE(stored.size(), input.size());
  ASSERT_EQ(form.stored_raw(), stored.size() == input.size());
  std::vector<std::byte> decoded(input.size(), std::byte{0xA5});
  const auto status = decode_chunk(decode, form, stored, decoded);
  ASSERT_TRUE(status.ok()) << status.error().message();
  ASSERT_TRUE(std::equal(input.begin(), input.end(), decoded.begin()));
  expect_same_around_cache(decode, form, stored, input);
}

TEST(Chunk, EveryFilterAndCodecAtEveryLength) {
  EncodeContext encode;
  DecodeContext decode;
  std::vector<size_t> lengths;
  for (size_t i = 1; i <= 300; ++i) lengths.push_back(i);
  for (size_t i : {4097u, 65535u, 262144u, 300001u}) lengths.push_back(i);
  for (size_t length : lengths) {
    for (const auto& input : inputs(length)) {
      for (const Filter& filter : all_filters()) {
        for (const Codec& codec : all_codecs()) {
          SCOPED_TRACE(testing::Message() << filter.name << " " << codec.name << " " << length);
          expect_round_trip(encode, decode, input, {.filter = filter.id, .codec = codec.id});
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(Chunk, TheLargestChunk) {
  EncodeContext encode;
  DecodeContext decode;
  expect_round_trip(encode, decode, gaussian_bf16(kChunkBytesMax / 2, 0.02, 1),
                    {.filter = FilterId::kBytePlanes2});
}

TEST(Chunk, RandomBytesAreStoredRaw) {
  EncodeContext encode;
  const auto input = random_bytes(10'000, 1);
  std::vector<std::byte> stored;
  for (const Filter& filter : all_filters()) {
    const ChunkForm form = encode_chunk(encode, input, {.filter = filter.id}, stored);
    EXPECT_TRUE(form.stored_raw()) << filter.name;
    EXPECT_EQ(stored, input);
  }
}

TEST(Chunk, ConstantStreamsAreFoundWhateverTheCodec) {
  EncodeContext encode;
  std::vector<std::byte> stored;
  // Small whole numbers of 4 bytes: three planes are constant, the low one is random.
  std::vector<std::byte> input(4000, std::byte{0});
  const auto low = random_bytes(1000, 5);
  for (size_t i = 0; i < low.size(); ++i) input[4 * i] = low[i];
  const ChunkForm form = encode_chunk(
      encode, input, {.filter = FilterId::kBytePlanes4, .codec = CodecId::kStore}, stored);
  EXPECT_EQ(form.stored_bytes, 1003u);
  EXPECT_EQ(form.streams[0].codec, CodecId::kStore);
  for (int i : {1, 2, 3}) EXPECT_EQ(form.streams[i].codec, CodecId::kConstant);

  const std::vector<std::byte> same(2, std::byte{9});
  EXPECT_EQ(encode_chunk(encode, same, {.codec = CodecId::kStore}, stored).stored_bytes, 1u);
  const std::vector<std::byte> one(1, std::byte{9});
  EXPECT_TRUE(encode_chunk(encode, one, {.codec = CodecId::kZstd}, stored).stored_raw());
}

TEST(Chunk, IncompressiblePlanesAreStored) {
  EncodeContext encode;
  std::vector<std::byte> stored;
  const auto input = gaussian_bf16(50'000, 0.02, 3);
  const ChunkForm form = encode_chunk(encode, input, {.filter = FilterId::kBytePlanes2}, stored);
  EXPECT_EQ(form.streams[0].codec, CodecId::kStore);  // Mantissas.
  EXPECT_EQ(form.streams[1].codec, CodecId::kZstd);   // Sign and exponent.
}

TEST(Chunk, GainMinDecides) {
  EncodeContext encode;
  std::vector<std::byte> stored;
  const auto input = gaussian_int8(100'000, 7.7, 3);
  const ChunkForm form = encode_chunk(encode, input, {}, stored);
  ASSERT_FALSE(form.stored_raw());
  const double gain = 1.0 - form.stored_bytes / 100'000.0;
  EXPECT_FALSE(encode_chunk(encode, input, {.gain_min = gain - 1e-9}, stored).stored_raw());
  EXPECT_TRUE(encode_chunk(encode, input, {.gain_min = gain + 1e-9}, stored).stored_raw());
  EXPECT_TRUE(encode_chunk(encode, input, {.gain_min = 0.999}, stored).stored_raw());
  // A constant stream follows the same rule: 1 byte of 10 gains exactly 0.9.
  const std::vector<std::byte> same(10, std::byte{9});
  EXPECT_EQ(encode_chunk(encode, same, {.gain_min = 0.9 - 1e-9}, stored).stored_bytes, 1u);
  EXPECT_TRUE(encode_chunk(encode, same, {.gain_min = 0.9 + 1e-9}, stored).stored_raw());
}

TEST(Chunk, SameBytesFromAnyContext) {
  const auto input = gaussian_bf16(70'001, 0.02, 3);
  EncodeContext used;
  std::vector<std::byte> a;
  std::vector<std::byte> b;
  for (int level = -7; level <= 4; ++level) {  // More settings than a context keeps.
    encode_chunk(used, input, {.parameters = {.level = level, .literals_only = false}}, a);
  }
  for (const Filter& filter : all_filters()) {
    EncodeContext fresh;
    encode_chunk(used, input, {.filter = filter.id}, a);
    encode_chunk(fresh, input, {.filter = filter.id}, b);
    EXPECT_EQ(a, b) << filter.name;
  }
}

TEST(Chunk, ContextsMove) {
  EncodeContext encode;
  DecodeContext decode;
  const auto input = gaussian_int8(1000, 4, 3);
  expect_round_trip(encode, decode, input, {});
  EncodeContext encode_moved = std::move(encode);
  DecodeContext decode_moved = std::move(decode);
  expect_round_trip(encode_moved, decode_moved, input, {});
}

/// A good form of two coded or stored streams: 101 bytes of BF16-like planes.
ChunkForm good_form() {
  ChunkForm form;
  form.filter = FilterId::kBytePlanes2;
  form.decoded_bytes = 101;
  form.stream_count = 2;
  form.streams[0] = {CodecId::kStore, 50, 50};
  form.streams[1] = {CodecId::kZstd, 30, 51};
  form.stored_bytes = 80;
  return form;
}

struct Contradiction {
  const char* message;
  ErrorCode code;
  std::function<void(ChunkForm&)> apply;
};

TEST(ChunkForm, EveryContradictionIsNamed) {
  ASSERT_TRUE(check_chunk_form(good_form()).ok());
  const auto corrupt = ErrorCode::kCorrupt;
  const auto unsupported = ErrorCode::kUnsupported;
  const Contradiction all[] = {
      {"filter 77", unsupported, [](auto& f) { f.filter = static_cast<FilterId>(77); }},
      {"stream 1: codec 62", unsupported,
       [](auto& f) { f.streams[1].codec = static_cast<CodecId>(62); }},
      {"codec 255", unsupported, [](auto& f) { f.streams[0].codec = static_cast<CodecId>(255); }},
      {"1 to 16777216", corrupt, [](auto& f) { f.decoded_bytes = 0; }},
      {"1 to 16777216", corrupt, [](auto& f) { f.decoded_bytes = kChunkBytesMax + 1; }},
      {"chunk of 0 streams", corrupt, [](auto& f) { f.stream_count = 0; }},
      {"chunk of 1 streams", corrupt, [](auto& f) { f.stream_count = 1; }},
      {"chunk of 3 streams", corrupt, [](auto& f) { f.stream_count = 3; }},
      {"chunk of 4294967295 streams", corrupt, [](auto& f) { f.stream_count = ~0u; }},
      {"gives it 51", corrupt, [](auto& f) { f.streams[1].decoded_bytes = 50; }},
      {"gives it 50", corrupt, [](auto& f) { f.streams[0].decoded_bytes = 51; }},
      {"gives it 52", corrupt,
       [](auto& f) {
         f.decoded_bytes = 103;
         f.streams[0] = {CodecId::kStore, 51, 51};
         f.streams[1].decoded_bytes = 50;
       }},
      {"expected 50", corrupt, [](auto& f) { f.streams[0].stored_bytes = 49; }},
      {"in 0 stored bytes", corrupt, [](auto& f) { f.streams[1].stored_bytes = 0; }},
      {"fewer than the decoded 51", corrupt, [](auto& f) { f.streams[1].stored_bytes = 51; }},
      {"constant in 2", corrupt,
       [](auto& f) {
         f.streams[1] = {CodecId::kConstant, 2, 51};
       }},
      {"its streams have 80", corrupt, [](auto& f) { f.stored_bytes = 79; }},
      {"its streams have 80", corrupt, [](auto& f) { f.stored_bytes = 81; }},
  };
  for (const Contradiction& one : all) {
    ChunkForm form = good_form();
    one.apply(form);
    const auto status = check_chunk_form(form);
    ASSERT_FALSE(status.ok()) << one.message;
    EXPECT_EQ(status.error().code(), one.code) << one.message;
    EXPECT_THAT(std::string(status.error().message()), HasSubstr(one.message));
  }
}

TEST(ChunkForm, SumsDoNotWrap) {
  ChunkForm form;
  form.filter = FilterId::kBytePlanes2;
  form.decoded_bytes = 16;
  form.stream_count = 2;
  form.streams[0] = {CodecId::kStore, 0xFFFF'FFFF, 8};
  form.streams[1] = {CodecId::kStore, 9, 8};
  form.stored_bytes = 8;
  EXPECT_FALSE(check_chunk_form(form).ok());
}

TEST(Chunk, SmallChunksOfWideElementsHaveEmptyPlanes) {
  EncodeContext encode;
  DecodeContext decode;
  for (size_t bytes = 1; bytes < 8; ++bytes) {
    const std::vector<std::byte> same(bytes, std::byte{3});
    expect_round_trip(encode, decode, same, {.filter = FilterId::kBytePlanes8});
    ChunkForm form;  // The same by hand: seven empty planes, and one with all the bytes.
    form.filter = FilterId::kBytePlanes8;
    form.decoded_bytes = form.stored_bytes = static_cast<uint32_t>(bytes);
    form.stream_count = 8;
    form.streams[7] = {CodecId::kStore, form.stored_bytes, form.decoded_bytes};
    ASSERT_TRUE(check_chunk_form(form).ok());
    std::vector<std::byte> decoded(bytes);
    ASSERT_TRUE(decode_chunk(decode, form, same, decoded).ok());
    EXPECT_EQ(decoded, same);
  }
}

TEST(Chunk, HostileStoredBytesNeverEscape) {
  EncodeContext encode;
  DecodeContext decode;
  std::vector<std::byte> stored;
  for (const Filter& filter : all_filters()) {
    const auto input = gaussian_bf16(400, 0.02, 9);
    const ChunkForm form = encode_chunk(encode, input, {.filter = filter.id}, stored);
    std::vector<std::byte> decoded(input.size());
    for (size_t at = 0; at < stored.size(); ++at) {
      auto damaged = stored;
      damaged[at] ^= std::byte{0xFF};
      const auto status = decode_chunk(decode, form, damaged, decoded);
      if (!status.ok()) {
        EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt);
      }
    }
    for (uint64_t seed = 0; seed < 50; ++seed) {
      static_cast<void>(decode_chunk(decode, form, random_bytes(stored.size(), seed), decoded));
    }
    ASSERT_TRUE(decode_chunk(decode, form, stored, decoded).ok());
    EXPECT_EQ(decoded, input) << "the context works again";
  }
}

TEST(Chunk, AnErrorNamesItsStream) {
  EncodeContext encode;
  DecodeContext decode;
  std::vector<std::byte> stored;
  const auto input = gaussian_bf16(4000, 0.02, 9);
  const ChunkForm form = encode_chunk(encode, input, {.filter = FilterId::kBytePlanes2}, stored);
  stored[form.streams[0].stored_bytes] ^= std::byte{0xFF};
  std::vector<std::byte> decoded(input.size());
  const auto status = decode_chunk(decode, form, stored, decoded);
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.error().message()), HasSubstr("stream 1: no zstd frame"));
}

TEST(Chunk, RealWeights) {
  const auto models = test::models_directory();
  if (!models) GTEST_SKIP() << test::kNoModels;
  EncodeContext encode;
  DecodeContext decode;
  for (const char* name : {"stories260K-int8_tensor.safetensors", "stories260K-bf16.safetensors",
                           "stories260K-f32.safetensors", "stories260K-q4_0.gguf"}) {
    const auto file = test::read_file(*models / name);
    for (const Filter& filter : all_filters()) {
      expect_round_trip(encode, decode, file, {.filter = filter.id});
    }
  }
}

}  // namespace
}  // namespace qload
