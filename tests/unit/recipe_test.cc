#include "format/pack/recipe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/support/test_files.h"

namespace qload {
namespace {

using test::gaussian_bf16;
using test::gaussian_f32;
using test::gaussian_int8;
using test::random_bytes;

RecipeChoice choose(DType dtype, std::span<const std::byte> chunk, RecipeOptions options = {},
                    ContentKind kind = ContentKind::kTensor) {
  return RecipeChooser(options).choose(dtype, kind, chunk);
}

std::vector<std::byte> prose(size_t bytes) {
  std::string out;
  for (int i = 0; out.size() < bytes; ++i) {
    out += "\"model.layers." + std::to_string(i) + ".weight\":{\"dtype\":\"BF16\",\"shape\":[64]},";
  }
  out.resize(bytes);
  return test::to_bytes(out);
}

CodecId codec_of(const ChunkRecipe& recipe, uint32_t stream = 0) {
  return recipe.streams[stream].value_or(StreamRecipe{recipe.codec, {}}).codec;
}

TEST(Recipe, Int8WeightsGetTheFastCodec) {
  for (size_t bytes : {200 << 10, 1 << 20}) {
    const RecipeChoice choice = choose(DType::kI8, gaussian_int8(bytes, 8.0, 1));
    EXPECT_EQ(choice.recipe.filter, FilterId::kNone);
    EXPECT_EQ(codec_of(choice.recipe), CodecId::kLaneHuffman);
    EXPECT_FALSE(choice.rival);
  }
}

TEST(Recipe, FloatsGetTheirPlanesAndOnlyTheExponentIsCoded) {
  const ChunkRecipe bf16 = choose(DType::kBF16, gaussian_bf16(1 << 19, 0.02, 1)).recipe;
  EXPECT_EQ(bf16.filter, FilterId::kFloatPlanes2);
  EXPECT_EQ(codec_of(bf16, 0), CodecId::kStore);
  EXPECT_EQ(codec_of(bf16, 1), CodecId::kLaneHuffman);
  const ChunkRecipe f32 = choose(DType::kF32, gaussian_f32(1 << 18, 0.02, 1)).recipe;
  EXPECT_EQ(f32.filter, FilterId::kFloatPlanes4);
  for (uint32_t plane = 0; plane < 3; ++plane) EXPECT_EQ(codec_of(f32, plane), CodecId::kStore);
  EXPECT_EQ(codec_of(f32, 3), CodecId::kLaneHuffman);
  EXPECT_EQ(choose(DType::kU8, gaussian_bf16(1 << 19, 0.02, 1)).recipe.filter, FilterId::kNone);
}

TEST(Recipe, WhatGainsNothingIsRaw) {
  for (DType dtype : {DType::kF32, DType::kF64, DType::kI8, DType::kQ4_0}) {
    const ChunkRecipe recipe = choose(dtype, random_bytes(18 << 16, 1)).recipe;
    EXPECT_EQ(recipe.filter, FilterId::kNone);
    EXPECT_EQ(codec_of(recipe), CodecId::kStore);
  }
}

// 2 % of a chunk are not worth a decoder: one byte in eleven of the upper plane is zero.
TEST(Recipe, AChunkThatHardlyGainsIsStoredRaw) {
  auto chunk = random_bytes(1 << 20, 5);
  for (size_t i = 1; i < chunk.size(); i += 22) chunk[i] = std::byte{0};
  EncodeContext context;
  std::vector<std::byte> stored, scratch;
  const RecipeChoice choice = choose(DType::kBF16, chunk);
  const ChunkForm form = encode_by_choice(context, chunk, choice, mid_device(), stored, scratch);
  EXPECT_TRUE(form.stored_raw());
  const RecipeChoice eager = choose(DType::kBF16, chunk, {.gain_min = 0.0});
  EXPECT_LT(encode_by_choice(context, chunk, eager, mid_device(), stored, scratch).stored_bytes,
            chunk.size());
}

TEST(Recipe, GgmlBlocksAreTakenApartWhenThatGains) {
  // Blocks of Q8_0: scales of one exponent, and INT8 quants.
  std::vector<std::byte> blocks;
  const auto quants = gaussian_int8(32 * 20'000, 20.0, 3);
  const auto noise = random_bytes(20'000, 4);
  for (size_t b = 0; b < 20'000; ++b) {
    blocks.push_back(noise[b]);
    blocks.push_back(std::byte{0x1C});
    blocks.insert(blocks.end(), quants.begin() + 32 * b, quants.begin() + 32 * (b + 1));
  }
  const ChunkRecipe recipe = choose(DType::kQ8_0, blocks).recipe;
  EXPECT_EQ(recipe.filter, find_filter("q8_0_fields")->id);
  EXPECT_EQ(codec_of(recipe, 0), CodecId::kStore);
  EXPECT_NE(codec_of(recipe, 1), CodecId::kStore);
  EXPECT_EQ(codec_of(recipe, 2), CodecId::kLaneHuffman);
}

TEST(Recipe, UnknownFilesAreLookedInto) {
  const auto kind = ContentKind::kRaw;
  EXPECT_EQ(choose(DType::kU8, gaussian_f32(1 << 18, 0.02, 1), {}, kind).recipe.filter,
            FilterId::kFloatPlanes4);
  EXPECT_EQ(choose(DType::kU8, gaussian_bf16(1 << 19, 0.02, 1), {}, kind).recipe.filter,
            FilterId::kFloatPlanes2);
  EXPECT_EQ(choose(DType::kU8, gaussian_int8(1 << 20, 8.0, 1), {}, kind).recipe.filter,
            FilterId::kNone);
}

TEST(Recipe, TextAndRepetitionGetMatching) {
  const RecipeChoice kept = choose(DType::kU8, prose(300'000), {}, ContentKind::kKept);
  EXPECT_EQ(codec_of(kept.recipe), CodecId::kZstd);
  EXPECT_FALSE(kept.recipe.streams[0]->parameters.literals_only);
  EXPECT_EQ(kept.recipe.streams[0]->parameters.level, 3);
  EXPECT_TRUE(kept.rival);

  // Rows that repeat: no order-0 code can see it.
  std::vector<std::byte> rows;
  const auto row = random_bytes(1024, 3);
  for (int i = 0; i < 512; ++i) rows.insert(rows.end(), row.begin(), row.end());
  const RecipeChoice repeated = choose(DType::kI8, rows);
  EXPECT_EQ(codec_of(repeated.recipe), CodecId::kZstd);
  EXPECT_EQ(repeated.recipe.streams[0]->parameters.level, 1);
}

TEST(Recipe, GoalsMoveTheChoice) {
  const auto narrow = gaussian_int8(1 << 20, 4.0, 1);  // Ratio near 1.9.
  const auto wide = gaussian_int8(1 << 20, 40.0, 1);   // Ratio near 1.09.
  EXPECT_EQ(codec_of(choose(DType::kI8, narrow, {.device = fast_decode_device()}).recipe),
            CodecId::kLaneHuffman);
  EXPECT_EQ(codec_of(choose(DType::kI8, wide, {.device = fast_decode_device()}).recipe),
            CodecId::kStore);
  EXPECT_EQ(codec_of(choose(DType::kI8, wide).recipe), CodecId::kLaneHuffman);
  EXPECT_EQ(codec_of(choose(DType::kI8, wide, {.device = smallest_size()}).recipe), CodecId::kFse);
}

TEST(Recipe, OptionsAreObeyed) {
  const auto bf16 = gaussian_bf16(1 << 17, 0.02, 1);
  EXPECT_EQ(choose(DType::kBF16, bf16, {.filter = FilterId::kNone}).recipe.filter, FilterId::kNone);
  EXPECT_EQ(codec_of(choose(DType::kBF16, bf16, {.codec = CodecId::kStore}).recipe),
            CodecId::kStore);
  EXPECT_EQ(choose(DType::kBF16, bf16, {.filter = FilterId::kBytePlanes8, .codec = CodecId::kZstd})
                .recipe.filter,
            FilterId::kBytePlanes8);
  const RecipeChoice level =
      choose(DType::kBF16, bf16, {.codec = CodecId::kZstd, .zstd_level = 19});
  EXPECT_EQ(level.recipe.parameters.level, 19);
  EXPECT_FALSE(level.recipe.parameters.literals_only);
  EXPECT_FALSE(level.rival);
  EXPECT_TRUE(
      choose(DType::kI8, prose(9999), {.codec = CodecId::kZstd}).recipe.parameters.literals_only);
  const ChunkRecipe recipe = choose(DType::kI8, bf16, {.gain_min = 0.5}).recipe;
  EXPECT_EQ(recipe.gain_min, 0.5);
  EXPECT_EQ(recipe.chunk_gain_min, 0.5);
}

TEST(Recipe, ChoiceDoesNotDependOnWhatCameBefore) {
  RecipeChooser used({});
  used.choose(DType::kF32, ContentKind::kTensor, gaussian_f32(1 << 18, 1.0, 7));
  used.choose(DType::kU8, ContentKind::kKept, prose(100'000));
  for (size_t bytes : {1, 2, 3, 63, 4097, 70'001, 300'003}) {
    const auto chunk = random_bytes(bytes, bytes);
    const RecipeChoice a = used.choose(DType::kF32, ContentKind::kTensor, chunk);
    const RecipeChoice b = choose(DType::kF32, chunk);
    EXPECT_EQ(a.recipe.filter, b.recipe.filter) << bytes;
    for (uint32_t i = 0; i < 4; ++i) EXPECT_EQ(codec_of(a.recipe, i), codec_of(b.recipe, i));
  }
}

TEST(EncodeByChoice, TheCheaperFormIsKept) {
  EncodeContext context;
  std::vector<std::byte> stored, scratch;
  const ChunkRecipe match{FilterId::kNone, CodecId::kZstd, {1, false}};
  const ChunkRecipe lanes{FilterId::kNone, CodecId::kLaneHuffman};
  for (const auto& chunk : {gaussian_int8(200'000, 8.0, 1), prose(200'000)}) {
    const ChunkForm form =
        encode_by_choice(context, chunk, {match, lanes}, mid_device(), stored, scratch);
    EXPECT_EQ(form.stored_bytes, stored.size());
    std::vector<std::byte> alone;
    const ChunkForm by_lanes = encode_chunk(context, chunk, lanes, alone);
    const ChunkForm by_match = encode_chunk(context, chunk, match, alone);
    EXPECT_EQ(chunk_cost(mid_device(), form),
              std::min(chunk_cost(mid_device(), by_lanes), chunk_cost(mid_device(), by_match)));
    DecodeContext decoder;
    std::vector<std::byte> decoded(chunk.size());
    ASSERT_TRUE(decode_chunk(decoder, form, stored, decoded).ok());
    EXPECT_EQ(decoded, chunk);
  }
}

// Chunks that no small sample shows as they are: what is stored is never much worse than the
// entropy coder alone would make it.
TEST(EncodeByChoice, SurprisesAreMended) {
  constexpr size_t kBytes = 1 << 20;
  std::vector<std::vector<std::byte>> chunks;
  for (size_t zeros : {kBytes / 2, kBytes / 5}) {  // A range of zeros in the middle.
    chunks.push_back(gaussian_int8(kBytes, 8.0, 1));
    std::fill_n(chunks.back().begin() + kBytes / 4, zeros, std::byte{0});
  }
  // Zeros wherever the sample looks, and weights everywhere else; and the opposite.
  for (bool hide : {true, false}) {
    auto chunk = hide ? gaussian_int8(kBytes, 8.0, 2) : std::vector<std::byte>(kBytes);
    const auto noise = random_bytes(kBytes, 3);
    for (size_t piece = 0; piece < 16; ++piece) {
      const size_t at = piece * (kBytes / 16) + kBytes / 32 - 2048;
      if (hide) std::fill_n(chunk.begin() + at, 4096, std::byte{0});
      if (!hide) std::copy_n(noise.begin() + at, 512, chunk.begin() + at);
    }
    chunks.push_back(std::move(chunk));
  }
  // Rows of widths that vary.
  std::vector<std::byte> rows;
  for (int i = 0; i < 64; ++i) {
    const auto row = gaussian_int8(kBytes / 64, 2.0 + i, 10 + i);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  chunks.push_back(std::move(rows));
  EncodeContext context;
  std::vector<std::byte> stored, scratch, alone;
  for (size_t i = 0; i < chunks.size(); ++i) {
    const RecipeChoice choice = choose(DType::kI8, chunks[i]);
    const ChunkForm form =
        encode_by_choice(context, chunks[i], choice, mid_device(), stored, scratch);
    const ChunkForm lanes =
        encode_chunk(context, chunks[i], {FilterId::kNone, CodecId::kLaneHuffman}, alone);
    EXPECT_LE(chunk_cost(mid_device(), form), 1.02 * chunk_cost(mid_device(), lanes)) << i;
  }
}

// What a codec says a histogram would become, against what it does become.
TEST(Codec, EstimatesAreNear) {
  constexpr size_t kBytes = 1 << 20;
  std::vector<std::vector<std::byte>> planes;
  for (double sigma : {0.2, 0.5, 1.0, 4.0, 8.0, 29.0, 60.0}) {
    planes.push_back(gaussian_int8(kBytes, sigma, 1));
  }
  for (uint64_t share : {3, 30, 300}) {  // Ones among zeros, per thousand.
    auto plane = random_bytes(kBytes, share);
    for (std::byte& byte : plane) {
      byte = std::byte{static_cast<uint64_t>(byte) * 1000 < share * 256};
    }
    planes.push_back(std::move(plane));
  }
  for (const Codec& codec : all_codecs()) {
    if (codec.estimate_bytes == nullptr) continue;
    for (size_t i = 0; i < planes.size(); ++i) {
      std::vector<std::byte> stored(kBytes + 4096);
      const auto real = codec.make_encoder({})->encode(planes[i], stored);
      ASSERT_TRUE(real);
      const auto estimate =
          static_cast<double>(codec.estimate_bytes(count_bytes(planes[i]), kBytes));
      EXPECT_NEAR(estimate, static_cast<double>(*real), 0.01 * static_cast<double>(*real) + 1200)
          << codec.name << ", plane " << i;
    }
  }
}

TEST(CostModel, RawChunksCostTheirReadingAlone) {
  ChunkForm raw{.decoded_bytes = 1000, .stored_bytes = 1000, .stream_count = 1};
  raw.streams[0] = {CodecId::kStore, 1000, 1000};
  TargetDevice device;
  device.storage_bytes_per_second = 1000;
  EXPECT_EQ(chunk_cost(device, raw), 1.0);
  ChunkForm coded = raw;
  coded.streams[0] = {CodecId::kZstd, 500, 1000};
  coded.stored_bytes = 500;
  device.zstd_rate = 1000;
  device.decode_threads = 2;
  device.decode_weight = 0.5;
  EXPECT_EQ(chunk_cost(device, coded), 0.5 + 0.5 * 1.0 / 2);
}

TEST(CostModel, ALoadTakesAsLongAsTheSlowerOfReadingAndDecoding) {
  TargetDevice device;
  device.storage_bytes_per_second = 1000;
  device.decode_threads = 2;
  device.lane_huffman_rate = 100;
  device.store_rate = 1000;
  ChunkForm form{.filter = FilterId::kFloatPlanes2, .decoded_bytes = 2000, .stream_count = 2};
  form.streams[0] = {CodecId::kStore, 1000, 1000};
  form.streams[1] = {CodecId::kLaneHuffman, 300, 1000};
  EXPECT_EQ(decode_seconds(device, form), 1.0 + 10.0);
  EXPECT_EQ(modelled_load_seconds(device, {1300, decode_seconds(device, form)}), 5.5);
  EXPECT_EQ(modelled_load_seconds(device, {8000, decode_seconds(device, form)}), 8.0);
  ChunkForm raw{.decoded_bytes = 1000, .stored_bytes = 1000, .stream_count = 1};
  raw.streams[0] = {CodecId::kStore, 1000, 1000};
  EXPECT_EQ(decode_seconds(device, raw), 0.0);
  EXPECT_EQ(modelled_load_seconds(device, {}), 0.0);
}

TEST(Recipe, PlansExplainTheirCost) {
  RecipeChooser chooser({});
  const TargetDevice device = mid_device();
  for (size_t elements : {40'000, 400'000}) {  // The sample is all of the chunk, and a part.
    chooser.choose(DType::kBF16, ContentKind::kTensor, gaussian_bf16(elements, 0.02, 1));
    ASSERT_GE(chooser.plans().size(), 3u);
    EXPECT_EQ(chooser.plans()[0].kind, PlanKind::kRaw);
    for (const RecipeChooser::Plan& plan : chooser.plans()) {
      const double read = static_cast<double>(plan.stored_bytes) / device.storage_bytes_per_second;
      const double decode = decode_seconds(device, plan) / device.decode_threads;
      // Besides them only the records of a second stream count.
      const double records = 16 / device.storage_bytes_per_second;
      EXPECT_NEAR(plan.cost, read + device.decode_weight * decode, records * 1.001);
      EXPECT_EQ(decode == 0, plan.kind == PlanKind::kRaw);
    }
    EXPECT_EQ(chooser.plans().back().kind == PlanKind::kMatch, elements == 400'000);
  }
}

}  // namespace
}  // namespace qload
