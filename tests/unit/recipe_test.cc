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

TEST(Recipe, Int8WeightsAreLiteralsOnly) {
  for (size_t bytes : {1000, 64 << 10, 1 << 20}) {
    RecipeChoice choice = choose(DType::kI8, gaussian_int8(bytes, 8.0, 1));
    EXPECT_EQ(choice.recipe.filter, FilterId::kNone);
    EXPECT_EQ(choice.recipe.codec, CodecId::kZstd);
    EXPECT_TRUE(choice.recipe.parameters.literals_only);
    EXPECT_FALSE(choice.rival);
  }
}

TEST(Recipe, FloatsGetTheirPlanes) {
  EXPECT_EQ(choose(DType::kBF16, gaussian_bf16(1 << 19, 0.02, 1)).recipe.filter,
            FilterId::kBytePlanes2);
  EXPECT_EQ(choose(DType::kF32, gaussian_f32(1 << 18, 0.02, 1)).recipe.filter,
            FilterId::kBytePlanes4);
  EXPECT_EQ(choose(DType::kU8, gaussian_bf16(1 << 19, 0.02, 1)).recipe.filter, FilterId::kNone);
}

TEST(Recipe, PlanesThatGainNothingAreLeftOut) {
  EXPECT_EQ(choose(DType::kF32, random_bytes(1 << 20, 1)).recipe.filter, FilterId::kNone);
  EXPECT_EQ(choose(DType::kF64, random_bytes(1 << 20, 1)).recipe.filter, FilterId::kNone);
}

TEST(Recipe, UnknownFilesAreLookedInto) {
  auto kind = ContentKind::kRaw;
  EXPECT_EQ(choose(DType::kU8, gaussian_f32(1 << 18, 0.02, 1), {}, kind).recipe.filter,
            FilterId::kBytePlanes4);
  EXPECT_EQ(choose(DType::kU8, gaussian_bf16(1 << 19, 0.02, 1), {}, kind).recipe.filter,
            FilterId::kBytePlanes2);
  EXPECT_EQ(choose(DType::kU8, gaussian_int8(1 << 20, 8.0, 1), {}, kind).recipe.filter,
            FilterId::kNone);
}

TEST(Recipe, TextAndRepetitionGetMatching) {
  RecipeChoice kept = choose(DType::kU8, prose(300'000), {}, ContentKind::kKept);
  EXPECT_FALSE(kept.recipe.parameters.literals_only);
  EXPECT_EQ(kept.recipe.parameters.level, 3);
  ASSERT_TRUE(kept.rival);
  EXPECT_TRUE(kept.rival->parameters.literals_only);

  // Rows that repeat: no order-0 code can see it.
  std::vector<std::byte> rows;
  auto row = random_bytes(1024, 3);
  for (int i = 0; i < 512; ++i) rows.insert(rows.end(), row.begin(), row.end());
  RecipeChoice repeated = choose(DType::kI8, rows);
  EXPECT_FALSE(repeated.recipe.parameters.literals_only);
  EXPECT_EQ(repeated.recipe.parameters.level, 1);
}

TEST(Recipe, OptionsAreObeyed) {
  auto bf16 = gaussian_bf16(1 << 16, 0.02, 1);
  EXPECT_EQ(choose(DType::kBF16, bf16, {.filter = FilterId::kNone}).recipe.filter, FilterId::kNone);
  EXPECT_EQ(choose(DType::kBF16, bf16, {.filter = FilterId::kBytePlanes8}).recipe.filter,
            FilterId::kBytePlanes8);
  EXPECT_EQ(choose(DType::kBF16, bf16, {.codec = CodecId::kStore}).recipe.codec, CodecId::kStore);
  RecipeChoice level = choose(DType::kBF16, bf16, {.codec = CodecId::kZstd, .zstd_level = 19});
  EXPECT_EQ(level.recipe.parameters.level, 19);
  EXPECT_FALSE(level.recipe.parameters.literals_only);
  EXPECT_FALSE(level.rival);
  EXPECT_TRUE(
      choose(DType::kI8, prose(9999), {.codec = CodecId::kZstd}).recipe.parameters.literals_only);
  EXPECT_EQ(choose(DType::kI8, bf16, {.gain_min = 0.5}).recipe.gain_min, 0.5);
}

TEST(Recipe, ChoiceDoesNotDependOnWhatCameBefore) {
  RecipeChooser used({});
  used.choose(DType::kF32, ContentKind::kTensor, gaussian_f32(1 << 18, 1.0, 7));
  used.choose(DType::kU8, ContentKind::kKept, prose(100'000));
  for (size_t bytes : {1, 2, 3, 63, 4097, 70'001}) {
    auto chunk = random_bytes(bytes, bytes);
    RecipeChoice a = used.choose(DType::kF32, ContentKind::kTensor, chunk);
    RecipeChoice b = choose(DType::kF32, chunk);
    EXPECT_EQ(a.recipe.filter, b.recipe.filter) << bytes;
    EXPECT_EQ(a.recipe.parameters.literals_only, b.recipe.parameters.literals_only) << bytes;
  }
}

TEST(EncodeByChoice, RivalWinsUnlessTheFirstIsWorthIt) {
  EncodeContext context;
  std::vector<std::byte> stored, scratch;
  ChunkRecipe match{FilterId::kNone, CodecId::kZstd, {1, false}, 0.02};
  ChunkRecipe literal{FilterId::kNone, CodecId::kZstd, {1, true}, 0.02};
  for (const auto& chunk : {gaussian_int8(100'000, 8.0, 1), prose(100'000)}) {
    ChunkForm form = encode_by_choice(context, chunk, {match, literal}, stored, scratch);
    EXPECT_EQ(form.stored_bytes, stored.size());
    std::vector<std::byte> alone;
    uint32_t literal_bytes = encode_chunk(context, chunk, literal, alone).stored_bytes;
    EXPECT_LE(form.stored_bytes, literal_bytes);
    DecodeContext decoder;
    std::vector<std::byte> decoded(chunk.size());
    ASSERT_TRUE(decode_chunk(decoder, form, stored, decoded).ok());
    EXPECT_EQ(decoded, chunk);
  }
}

}  // namespace
}  // namespace qload
