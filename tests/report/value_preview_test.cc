// Previews of INT8 codes against a plain computation, and which tensors they are of.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/support/model_fixtures.h"
#include "tests/support/test_files.h"
#include "tools/analyze/analyze_model.h"
#include "tools/analyze/value_preview.h"

namespace qload::analyze {
namespace {

using testing::ElementsAre;

/// A model file with its analysis.
struct Analyzed {
  test::TempDirectory directory;
  std::unique_ptr<ChunkedModel> model;
  ModelAnalysis analysis;

  explicit Analyzed(const test::SafetensorsBuilder& builder) {
    const std::filesystem::path path = directory / "m.safetensors";
    test::write_file(path, builder.build());
    const std::function<void(const PackProgress&)> quiet;
    ProgressMeter progress(quiet, 0);
    auto opened = open_chunked_model(path, {}, progress, {});
    EXPECT_TRUE(opened.ok()) << opened.error().message();
    model = std::move(opened).value();
    AnalyzeOptions options;
    options.target = *tools::find_profile("mid");
    auto analyzed = analyze_model(*model, options, progress, {});
    EXPECT_TRUE(analyzed.ok()) << analyzed.error().message();
    analysis = std::move(analyzed).value();
  }

  std::vector<ValuePreview> previews() const {
    auto previews = preview_values(*model, analysis, {});
    EXPECT_TRUE(previews.ok()) << previews.error().message();
    return std::move(previews).value();
  }
};

std::vector<float> floats_of(const std::vector<std::byte>& bytes) {
  std::vector<float> values(bytes.size() / 4);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

/// Codes of `values` with a scale for each run of `group` values, by code + 128.
std::vector<uint64_t> codes_of(const std::vector<float>& values, size_t group) {
  std::vector<uint64_t> counts(256);
  for (size_t first = 0; first < values.size(); first += group) {
    float absmax = 0;
    for (size_t i = first; i < first + group; ++i) {
      if (std::isfinite(values[i])) absmax = std::max(absmax, std::abs(values[i]));
    }
    for (size_t i = first; i < first + group; ++i) {
      if (!std::isfinite(values[i])) continue;
      const float code = absmax == 0 ? 0 : std::nearbyint(values[i] * (127 / absmax));
      counts[static_cast<size_t>(code + 128)] += 1;
    }
  }
  return counts;
}

double entropy_of(const std::vector<uint64_t>& counts) {
  double sum = 0;
  for (const uint64_t count : counts) sum += static_cast<double>(count);
  double bits = 0;
  for (const uint64_t count : counts) {
    const double share = static_cast<double>(count) / sum;
    if (count > 0) bits -= share * std::log2(share);
  }
  return bits;
}

TEST(ValuePreview, CodesAreThoseOfQuantizing) {
  std::vector<std::byte> bytes = test::gaussian_f32(96 * 80, 0.02, 5);
  const float odd[] = {std::numeric_limits<float>::quiet_NaN(),
                       -std::numeric_limits<float>::infinity(), -0.9F, 0.0F};
  std::memcpy(bytes.data() + 400, odd, sizeof odd);
  const Analyzed model(test::SafetensorsBuilder()
                           .add("layers.0.mlp.up_proj.weight", "F32", {96, 80}, bytes)
                           .add("layers.0.mlp.down_proj.weight", "F32", {96 * 80}, bytes));
  const std::vector<ValuePreview> previews = model.previews();
  ASSERT_EQ(previews.size(), 2u);
  const std::vector<float> values = floats_of(bytes);
  for (const ValuePreview& preview : previews) {
    ASSERT_TRUE(preview.int8);
    const Int8Codes& codes = preview.int8->tensor_wise;
    EXPECT_EQ(codes.histogram.counts, codes_of(values, values.size()));
    EXPECT_NEAR(codes.bits_per_code, entropy_of(codes.histogram.counts), 1e-9);
  }
  ASSERT_TRUE(previews[0].int8->row_wise);
  EXPECT_EQ(previews[0].int8->row_wise->histogram.counts, codes_of(values, 80));
  EXPECT_FALSE(previews[1].int8->row_wise) << "a vector has no rows";
}

TEST(ValuePreview, SmallKernelsAreOneChannel) {
  const std::vector<std::byte> bytes = test::gaussian_f32(64 * 16 * 9, 0.02, 6);
  const Analyzed model(test::SafetensorsBuilder().add("conv.weight", "F32", {64, 16, 3, 3}, bytes));
  const std::vector<ValuePreview> previews = model.previews();
  ASSERT_EQ(previews.size(), 1u);
  ASSERT_TRUE(previews[0].int8 && previews[0].int8->row_wise);
  EXPECT_EQ(previews[0].int8->row_wise->histogram.counts, codes_of(floats_of(bytes), 16 * 9));
}

TEST(ValuePreview, LargeTensorsAreSampled) {
  const std::vector<std::byte> bytes = test::gaussian_bf16(8 << 20, 0.02, 7);
  const Analyzed model(
      test::SafetensorsBuilder().add("embed_tokens.weight", "BF16", {8192, 1024}, bytes));
  const std::vector<ValuePreview> previews = model.previews();
  ASSERT_EQ(previews.size(), 1u);
  uint64_t sum = 0;
  for (const uint64_t count : previews[0].int8->tensor_wise.histogram.counts) sum += count;
  EXPECT_LE(sum, kPreviewBytesMax / 2);
  EXPECT_GE(sum, kPreviewBytesMax / 4);
}

TEST(ValuePreview, TypicalTensorsAreTheLargestOfTheirKind) {
  const auto floats = [](size_t count) { return test::gaussian_f32(count, 1, count); };
  const Analyzed model(
      test::SafetensorsBuilder()
          .add("layers.0.mlp.up_proj.weight", "F32", {80, 64}, floats(5120))
          .add("layers.1.mlp.up_proj.weight", "F32", {90, 64}, floats(5760))
          .add("layers.1.norm.weight", "F32", {64}, floats(64))
          .add("x.down_proj.weight", "I8", {64, 64}, test::gaussian_int8(4096, 20, 1))
          .add("zeros.gate_proj.weight", "F32", {64, 64}, std::vector<std::byte>(4096 * 4)));
  std::vector<std::string> names;
  for (const ValuePreview& preview : model.previews()) {
    const TensorAnalysis& tensor = model.analysis.tensors[preview.tensor];
    names.push_back(tensor.name);
    EXPECT_EQ(preview.int8.has_value(), tensor.dtype == DType::kF32);
  }
  EXPECT_THAT(names, ElementsAre("layers.1.mlp.up_proj.weight", "zeros.gate_proj.weight",
                                 "x.down_proj.weight"));
  // Where all are small, small ones are shown.
  const Analyzed tiny(test::SafetensorsBuilder().add("norm.weight", "F32", {64}, floats(64)));
  EXPECT_EQ(tiny.previews().size(), 1u);
  const Analyzed empty(test::SafetensorsBuilder().add("empty", "F32", {0}, {}));
  EXPECT_EQ(empty.previews().size(), 0u);
}

TEST(ValuePreview, StopsWhenAsked) {
  const Analyzed model(test::SafetensorsBuilder().add("up_proj.weight", "F32", {64, 64},
                                                      test::gaussian_f32(4096, 1, 2)));
  std::stop_source stop;
  stop.request_stop();
  const auto previews = preview_values(*model.model, model.analysis, stop.get_token());
  ASSERT_FALSE(previews.ok());
  EXPECT_EQ(previews.error().code(), ErrorCode::kCancelled);
}

}  // namespace
}  // namespace qload::analyze
