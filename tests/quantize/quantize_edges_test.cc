// What quantizing does with weights that are zero, tiny, huge or no numbers, and with tensors that
// are no matrices of floats.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/quantize/quantize_fixture.h"
#include "tests/quantize/quantize_reference.h"

namespace qload::test {
namespace {

using quantize::ChannelAxis;
using quantize::QuantizeOptions;
using quantize::QuantizeReport;
using quantize::Scheme;
using testing::Each;
using testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr uint64_t kSize = 32;

const std::vector<QuantizeOptions>& plain_schemes() {
  static const std::vector<QuantizeOptions> kSchemes = {
      {.scheme = Scheme::kTensor},
      {.scheme = Scheme::kChannel},
      {.scheme = Scheme::kChannel, .axis = ChannelAxis::kColumn},
      {.scheme = Scheme::kQ8_0},
      {.scheme = Scheme::kQ4_0}};
  return kSchemes;
}

/// A square matrix of ones and small numbers with one weight set.
StoredTensor matrix_with(float value, uint64_t row, uint64_t column) {
  std::vector<float> weights = random_floats({kSize, kSize}, 5, 0.1f).floats();
  weights[row * kSize + column] = value;
  return make_floats({kSize, kSize}, weights);
}

StoredTensor zeros() { return make_floats({kSize, kSize}, std::vector<float>(kSize * kSize)); }

TEST(QuantizeEdges, ZerosStayZeros) {
  const QuantizeFixture fixture({{"w", zeros()}});
  for (const QuantizeOptions& options : plain_schemes()) {
    const StoredModel out = fixture.quantize(options);
    const StoredTensor& codes = out.at("w");
    if (options.scheme == Scheme::kQ4_0) {
      for (size_t i = 0; i < codes.bytes.size(); ++i) {
        // Code 8 stands for 0; the scale is a half of -0.
        const int expected = i % 18 == 0 ? 0 : i % 18 == 1 ? 0x80 : 0x88;
        EXPECT_EQ(static_cast<int>(codes.bytes[i]), expected) << i;
      }
      continue;
    }
    EXPECT_THAT(codes.bytes, Each(std::byte{0}));
    if (options.scheme == Scheme::kQ8_0) continue;
    EXPECT_THAT(out.at("w_scale").floats(), Each(0.0f));
  }
}

TEST(QuantizeEdges, RowsAndColumnsOfZerosHaveScaleZero) {
  std::vector<float> weights = random_floats({kSize, kSize}, 6).floats();
  for (uint64_t i = 0; i < kSize; ++i) weights[3 * kSize + i] = weights[i * kSize + 7] = 0;
  const QuantizeFixture fixture({{"w", make_floats({kSize, kSize}, weights)}});
  for (const ChannelAxis axis : {ChannelAxis::kRow, ChannelAxis::kColumn}) {
    const StoredModel out = fixture.quantize({.scheme = Scheme::kChannel, .axis = axis});
    const std::vector<float> scales = out.at("w_scale").floats();
    for (uint64_t i = 0; i < kSize; ++i) {
      EXPECT_EQ(scales[i] == 0, i == (axis == ChannelAxis::kRow ? 3u : 7u)) << i;
    }
    const std::vector<int8_t> codes = out.at("w").codes();
    for (uint64_t i = 0; i < kSize; ++i) {
      EXPECT_EQ(codes[3 * kSize + i], 0);
      EXPECT_EQ(codes[i * kSize + 7], 0);
    }
  }
}

/// 127 / max has no float below 2^-121: such weights count as zeros and not as noise.
TEST(QuantizeEdges, TinyWeightsCountAsZeros) {
  std::vector<float> weights(kSize * kSize, 1e-38f);
  weights[5] = -1e-38f;
  const QuantizeFixture fixture({{"w", make_floats({kSize, kSize}, weights)}});
  for (const QuantizeOptions& options : plain_schemes()) {
    const StoredModel out = fixture.quantize(options);
    if (options.scheme == Scheme::kQ4_0) continue;  // Its scale is a half, so 0; codes are free.
    EXPECT_THAT(out.at("w").bytes, Each(std::byte{0}));
  }
}

/// The largest float there is still has a code of 127.
TEST(QuantizeEdges, HugeWeights) {
  const float largest = std::numeric_limits<float>::max();
  const QuantizeFixture fixture({{"w", matrix_with(-largest, 1, 2)}});
  const StoredModel out = fixture.quantize({.scheme = Scheme::kTensor});
  EXPECT_EQ(out.at("w").codes()[kSize + 2], -127);
  EXPECT_EQ(out.at("w_scale").floats()[0], largest / 127);
}

TEST(QuantizeEdges, WhatIsNoNumberIsNamed) {
  for (const QuantizeOptions& options : plain_schemes()) {
    for (const float value : {kNan, kInfinity, -kInfinity}) {
      const QuantizeFixture fixture(
          {{"a", matrix_with(1, 0, 0)}, {"layer.w", matrix_with(value, 17, 4)}});
      const Error error = fixture.fail(options);
      EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
      EXPECT_THAT(std::string(error.message()),
                  HasSubstr("tensor \"layer.w\": the weight in row 17, column 4 is " +
                            std::string(std::isnan(value) ? "NaN" : "infinite")));
    }
  }
}

/// Vectors are not looked at: what is copied is copied.
TEST(QuantizeEdges, NotNumbersInVectorsAreCopied) {
  const QuantizeFixture fixture(
      {{"w", matrix_with(1, 0, 0)}, {"norm", make_floats({2}, {kNan, kInfinity})}});
  const StoredModel out = fixture.quantize({.scheme = Scheme::kTensor});
  EXPECT_TRUE(std::isnan(out.at("norm").floats()[0]));
}

TEST(QuantizeEdges, WeightsTooLargeForHalves) {
  // Q8_0 keeps max / 127 as a half.
  const QuantizeFixture blocks({{"w", matrix_with(65504.0f * 128, 3, 1)}});
  Error error = blocks.fail({.scheme = Scheme::kQ8_0});
  EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  EXPECT_THAT(std::string(error.message()), HasSubstr("row 3"));
  // Rows that are not whole blocks become F16.
  std::vector<float> weights(20 * 20, 1.0f);
  weights[20 * 4 + 6] = -65520;
  const QuantizeFixture halves(
      {{"w", matrix_with(1, 0, 0)}, {"v", make_floats({20, 20}, weights)}});
  error = halves.fail({.scheme = Scheme::kQ4_0});
  EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  EXPECT_THAT(std::string(error.message()), HasSubstr("row 4, column 6"));
}

TEST(QuantizeEdges, EmptyTensorsAreKept) {
  const StoredModel model = {{"w", matrix_with(1, 0, 0)},
                             {"empty", make_floats({0}, {})},
                             {"no_rows", make_floats({0, 64}, {})},
                             {"no_columns", make_floats({64, 0}, {})},
                             {"deep", make_floats({3, 0, 2}, {})}};
  const QuantizeFixture fixture(model);
  for (const QuantizeOptions& options : plain_schemes()) {
    QuantizeReport report;
    const StoredModel out = fixture.quantize(options, &report);
    EXPECT_EQ(report.quantized_count, 1u);
    EXPECT_EQ(report.kept_count, 4u);
    for (const char* name : {"empty", "no_rows", "no_columns", "deep"}) {
      EXPECT_EQ(out.at(name).shape, model.at(name).shape) << name;
      EXPECT_TRUE(out.at(name).bytes.empty()) << name;
    }
  }
}

TEST(QuantizeEdges, OtherTypesAndShapesAreCopied) {
  StoredModel model = {{"w", matrix_with(1, 0, 0)},
                       {"i8", {DType::kI8, {kSize, kSize}, random_bytes(kSize * kSize, 1)}},
                       {"i64", {DType::kI64, {2}, random_bytes(16, 2)}},
                       {"f64", {DType::kF64, {kSize, kSize}, random_bytes(8 * kSize * kSize, 3)}},
                       {"scalar", make_floats({}, {1.5f})},
                       {"experts", random_floats({2, kSize, kSize}, 4)},
                       {"small", random_floats({15, 100}, 5)},
                       {"vector", random_floats({100}, 6)}};
  const QuantizeFixture fixture(model);
  for (const QuantizeOptions& options : plain_schemes()) {
    QuantizeReport report;
    const StoredModel out = fixture.quantize(options, &report);
    EXPECT_EQ(report.quantized_count, 1u);
    EXPECT_EQ(report.other_count, 3u);
    EXPECT_EQ(report.kept_count, 4u);
    for (const auto& [name, tensor] : model) {
      if (name == "w") continue;
      EXPECT_EQ(out.at(name).dtype, tensor.dtype) << name;
      EXPECT_TRUE(out.at(name).bytes == tensor.bytes) << name;
    }
  }
}

TEST(QuantizeEdges, WhatGgufCannotHold) {
  const QuantizeFixture bytes(
      {{"w", matrix_with(1, 0, 0)}, {"mask", {DType::kU8, {4}, random_bytes(4, 1)}}});
  const Error type = bytes.fail({.scheme = Scheme::kQ8_0});
  EXPECT_EQ(type.code(), ErrorCode::kUnsupported);
  EXPECT_THAT(std::string(type.message()), HasSubstr("\"mask\" is U8"));
  const QuantizeFixture deep(
      {{"w", matrix_with(1, 0, 0)}, {"deep", random_floats({1, 1, 1, 1, 2}, 1)}});
  const Error rank = deep.fail({.scheme = Scheme::kQ4_0});
  EXPECT_EQ(rank.code(), ErrorCode::kUnsupported);
  EXPECT_THAT(std::string(rank.message()), HasSubstr("5 dimensions"));
}

TEST(QuantizeEdges, NothingToQuantize) {
  const QuantizeFixture fixture(
      {{"codes", {DType::kI8, {kSize, kSize}, random_bytes(kSize * kSize, 1)}},
       {"vector", random_floats({100}, 2)}});
  for (const QuantizeOptions& options : plain_schemes()) {
    const Error error = fixture.fail(options);
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(std::string(error.message()), HasSubstr("none of 2 tensors can be quantized"));
  }
}

TEST(QuantizeEdges, NamesThatAreTaken) {
  const QuantizeFixture fixture({{"w", matrix_with(1, 0, 0)}, {"w_scale", random_floats({1}, 1)}});
  const Error error = fixture.fail({.scheme = Scheme::kTensor});
  EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(std::string(error.message()), HasSubstr("\"w_scale\""));
}

TEST(QuantizeEdges, EmbeddingsCanBeKept) {
  const StoredModel model = {{"model.embed_tokens.weight", random_floats({kSize, kSize}, 1)},
                             {"lm_head.weight", random_floats({kSize, kSize}, 2)},
                             {"layers.0.w", random_floats({kSize, kSize}, 3)}};
  const QuantizeFixture fixture(model);
  for (QuantizeOptions options : plain_schemes()) {
    options.quantize_embeddings = false;
    QuantizeReport report;
    const StoredModel out = fixture.quantize(options, &report);
    EXPECT_EQ(report.quantized_count, 1u);
    for (const char* name : {"model.embed_tokens.weight", "lm_head.weight"}) {
      EXPECT_TRUE(out.at(name).bytes == model.at(name).bytes) << name;
    }
  }
}

/// The smallest matrix that is quantized, and one with one row or column less.
TEST(QuantizeEdges, SmallestMatrix) {
  const QuantizeFixture fixture({{"least", random_floats({16, 16}, 1)},
                                 {"low", random_floats({15, 16}, 2)},
                                 {"narrow", random_floats({16, 15}, 3)}});
  const StoredModel out = fixture.quantize({.scheme = Scheme::kTensor});
  EXPECT_EQ(out.at("least").dtype, DType::kI8);
  EXPECT_EQ(out.at("low").dtype, DType::kF32);
  EXPECT_EQ(out.at("narrow").dtype, DType::kF32);
}

}  // namespace
}  // namespace qload::test
