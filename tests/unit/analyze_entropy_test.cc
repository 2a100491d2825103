// Entropies, statistics and histograms of an analysis against a second computation of them, over
// the whole file and in long double.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "format/input/model_source.h"
#include "tests/support/model_fixtures.h"
#include "tests/unit/analyzed_model.h"

namespace qload::test {
namespace {

using analyze::AnalyzeOptions;
using analyze::FilterEntropy;
using analyze::ModelAnalysis;
using analyze::TensorAnalysis;
using analyze::TensorKind;
using analyze::ValueHistogram;

/// How often each symbol of an alphabet occurs, and its entropy by another formula: -sum p log2 p.
class Symbols {
 public:
  explicit Symbols(size_t alphabet = 256) : counts_(alphabet) {}
  void add(uint64_t symbol) { ++counts_[symbol]; }
  uint64_t count() const { return std::accumulate(counts_.begin(), counts_.end(), uint64_t{0}); }
  long double bits() const {
    const auto total = static_cast<long double>(count());
    long double sum = 0;
    for (const uint64_t symbol : counts_) {
      if (symbol == 0) continue;
      const long double share = static_cast<long double>(symbol) / total;
      sum -= share * std::log2(share);
    }
    return sum * total;
  }

 private:
  std::vector<uint64_t> counts_;
};

uint64_t element(const std::vector<std::byte>& bytes, size_t index, size_t width) {
  uint64_t value = 0;
  std::memcpy(&value, bytes.data() + index * width, width);
  return value;
}

/// The streams that docs/format.md says a filter makes, for whole elements of `width` bytes.
std::vector<Symbols> split(FilterId filter, const std::vector<std::byte>& bytes, size_t width) {
  using enum FilterId;
  const bool rotated =
      filter == kFloatPlanes2 || filter == kFloatPlanes4 || filter == kFloatPlanes8;
  std::vector<Symbols> streams(filter == kNone ? 1 : width);
  for (size_t i = 0; i < bytes.size() / width; ++i) {
    uint64_t value = element(bytes, i, width);
    const auto bits = static_cast<unsigned>(8 * width);
    if (rotated) value = value << 1 | value >> (bits - 1);
    for (size_t plane = 0; plane < width; ++plane) {
      streams[filter == kNone ? 0 : plane].add(value >> (8 * plane) & 255);
    }
  }
  return streams;
}

void expect_bits(double found, long double expected, uint64_t symbols, const std::string& what) {
  const auto count = static_cast<double>(std::max<uint64_t>(symbols, 1));
  EXPECT_NEAR(found / count, static_cast<double>(expected) / count, 1e-9) << what;
}

std::vector<std::byte> tensor_bytes(const ModelSource& source, const SourceTensor& tensor) {
  std::vector<std::byte> bytes(tensor.bytes);
  EXPECT_TRUE(source.read(tensor.file, tensor.offset, bytes).ok());
  return bytes;
}

/// Every filter but those of blocks, whole values of one and two bytes, and the least of all.
void expect_entropies(const TensorAnalysis& tensor, const std::vector<std::byte>& bytes) {
  const DTypeInfo* info = find_dtype(tensor.dtype);
  ASSERT_NE(info, nullptr);
  ASSERT_EQ(tensor.figures.bytes, bytes.size());
  EXPECT_EQ(tensor.figures.read_bytes, bytes.size());
  EXPECT_EQ(tensor.figures.entropy_bits_error, 0);
  long double least = 1e30L;
  for (const FilterEntropy& filter : tensor.figures.filters) {
    const Filter* entry = find_filter(filter.filter);
    ASSERT_NE(entry, nullptr);
    const std::string what = tensor.name + " " + std::string(entry->name);
    EXPECT_EQ(filter.bytes(), bytes.size()) << what;
    if (filter.filter >= FilterId::kQ4_0Fields) {
      least = std::min(least, static_cast<long double>(filter.bits()));
      continue;
    }
    const auto streams = split(filter.filter, bytes, entry->block_bytes);
    ASSERT_EQ(filter.stream_count, streams.size()) << what;
    long double sum = 0;
    for (size_t i = 0; i < streams.size(); ++i) {
      EXPECT_EQ(filter.streams[i].bytes, streams[i].count()) << what;
      expect_bits(filter.streams[i].bits, streams[i].bits(), streams[i].count(), what);
      sum += streams[i].bits();
    }
    least = std::min(least, sum);
  }
  if (bytes.empty()) return;
  expect_bits(tensor.figures.entropy_bits, least, bytes.size(), tensor.name);
  if (info->block_elements == 1 && info->block_bytes <= 2) {
    Symbols values(size_t{1} << (8 * info->block_bytes));
    for (size_t i = 0; i < bytes.size() / info->block_bytes; ++i) {
      values.add(element(bytes, i, info->block_bytes));
    }
    EXPECT_EQ(tensor.figures.whole_value_count, values.count()) << tensor.name;
    expect_bits(tensor.figures.whole_value_bits, values.bits(), values.count(), tensor.name);
  } else {
    EXPECT_EQ(tensor.figures.whole_value_count, 0u) << tensor.name;
  }
}

void expect_all_entropies(const std::filesystem::path& path) {
  const ModelAnalysis analysis = analyze_file(path, {.threads = 2});
  const auto source = open_model_source(path, OpenAs::kDetect);
  ASSERT_TRUE(source.ok()) << source.error().message();
  ASSERT_EQ(analysis.tensors.size(), source->tensors().size());
  long double bits = 0;
  uint64_t values = 0;
  for (const SourceTensor& tensor : source->tensors()) {
    const TensorAnalysis& found = tensor_of(analysis, tensor.name);
    expect_entropies(found, tensor_bytes(*source, tensor));
    if (found.same_as) continue;
    bits += found.figures.entropy_bits;
    values += found.figures.value_count;
  }
  EXPECT_EQ(analysis.total.value_count, values);
  expect_bits(analysis.total.entropy_bits, bits, values, "total");
}

TEST(AnalyzeEntropy, IsThatOfASecondComputation) {
  TempDirectory directory;
  write_file(directory / "a.safetensors", small_int8_model(3));
  expect_all_entropies(directory / "a.safetensors");
  write_file(directory / "b.gguf", small_gguf_model(3));
  expect_all_entropies(directory / "b.gguf");
}

// Tensors of several chunks, of every width, with one odd in rows and size.
TEST(AnalyzeEntropy, IsThatOfASecondComputationAcrossChunks) {
  constexpr uint64_t kCount = 500'001;
  TempDirectory directory;
  SafetensorsBuilder builder;
  const auto cut = [](std::vector<std::byte> bytes, size_t size) {
    bytes.resize(size);
    return bytes;
  };
  builder.add("i8", "I8", {4 * kCount}, gaussian_int8(4 * kCount, 20, 1));
  builder.add("bf16", "BF16", {2 * kCount}, gaussian_bf16(2 * kCount, 0.02, 2));
  builder.add("f16", "F16", {2 * kCount}, gaussian_int8(4 * kCount, 30, 3));
  builder.add("f32", "F32", {kCount}, gaussian_f32(kCount, 0.02, 4));
  builder.add("i16", "I16", {2 * kCount}, gaussian_int8(4 * kCount, 3, 5));
  builder.add("u32", "U32", {kCount}, gaussian_int8(4 * kCount, 2, 6));
  builder.add("f64", "F64", {kCount / 2}, cut(gaussian_f32(kCount, 0.5, 7), kCount / 2 * 8));
  builder.add("i64", "I64", {kCount / 2}, cut(gaussian_int8(8 * kCount, 1, 8), kCount / 2 * 8));
  builder.add("f8", "F8_E4M3", {kCount}, gaussian_int8(kCount, 40, 9));
  builder.add("noise", "U8", {kCount}, random_bytes(kCount, 10));
  write_file(directory / "m.safetensors", builder.build());
  expect_all_entropies(directory / "m.safetensors");
}

TEST(AnalyzeEntropy, IsThatOfASecondComputationOnRealWeights) {
  const auto models = models_directory();
  if (!models) GTEST_SKIP() << kNoModels;
  for (const char* name : {"stories260K-f32.safetensors", "stories260K-f16.safetensors",
                           "stories260K-q8_0.gguf", "real_lm_mix-bf16.safetensors"}) {
    SCOPED_TRACE(name);
    expect_all_entropies(*models / name);
  }
}

// The fields of a Q4_0 block by hand: two bytes of scale, 16 of two quants each.
TEST(AnalyzeEntropy, FieldsOfBlocksAreStreams) {
  constexpr size_t kBlocks = 50'000;
  std::vector<std::byte> bytes = random_bytes(kBlocks * 18, 4);
  for (size_t i = 0; i < kBlocks; ++i) {
    bytes[18 * i + 1] = static_cast<std::byte>(0x20 + i % 3);
    for (size_t j = 2; j < 18; ++j) bytes[18 * i + j] &= std::byte{0x37};
  }
  TempDirectory directory;
  write_file(directory / "m.gguf",
             GgufBuilder().add_tensor("blk.0.ffn_up.weight", 2, {32, kBlocks}, bytes).build());
  const ModelAnalysis analysis = analyze_file(directory / "m.gguf");
  const TensorAnalysis& tensor = tensor_of(analysis, "blk.0.ffn_up.weight");
  EXPECT_EQ(tensor.figures.value_count, kBlocks * 32);
  Symbols low;
  Symbols high;
  Symbols quants;
  std::vector<uint64_t> nibbles(16);
  for (size_t i = 0; i < kBlocks; ++i) {
    low.add(static_cast<uint64_t>(bytes[18 * i]));
    high.add(static_cast<uint64_t>(bytes[18 * i + 1]));
    for (size_t j = 2; j < 18; ++j) {
      const auto byte = static_cast<uint8_t>(bytes[18 * i + j]);
      quants.add(byte);
      ++nibbles[byte & 15];
      ++nibbles[byte >> 4];
    }
  }
  ASSERT_EQ(tensor.figures.filters.size(), 2u);
  const FilterEntropy& fields = tensor.figures.filters[1];
  EXPECT_EQ(fields.filter, FilterId::kQ4_0Fields);
  ASSERT_EQ(fields.stream_count, 3u);
  expect_bits(fields.streams[0].bits, low.bits(), kBlocks, "low");
  expect_bits(fields.streams[1].bits, high.bits(), kBlocks, "high");
  expect_bits(fields.streams[2].bits, quants.bits(), 16 * kBlocks, "quants");
  expect_bits(tensor.figures.entropy_bits, low.bits() + high.bits() + quants.bits(), kBlocks * 18,
              "all");
  EXPECT_EQ(tensor.histogram.bins, ValueHistogram::Bins::kCodes);
  EXPECT_EQ(tensor.histogram.counts, nibbles);
  EXPECT_EQ(tensor.values.value_count, 0u);  // Quants without their scale are no values.
}

// A bell in INT8 has the entropy that its spread tells.
TEST(AnalyzeEntropy, OfABellFollowsFromItsSpread) {
  constexpr uint64_t kCount = 2'000'000;
  TempDirectory directory;
  write_file(directory / "m.safetensors",
             SafetensorsBuilder()
                 .add("layers.0.fc1.weight", "I8", {kCount}, gaussian_int8(kCount, 20, 1))
                 .add("layers.0.fc2.weight", "F32", {kCount}, gaussian_f32(kCount, 0.02, 2))
                 .build());
  const ModelAnalysis analysis = analyze_file(directory / "m.safetensors");
  const TensorAnalysis& codes = tensor_of(analysis, "layers.0.fc1.weight");
  ASSERT_TRUE(codes.values.bell_int8_bits());
  // gaussian_int8 has the deviation in codes, and absmax is below 127.
  const double in_codes = *codes.values.bell_int8_bits() - std::log2(127 / codes.values.absmax());
  EXPECT_NEAR(in_codes, *codes.figures.bits_per_value(), 0.01);
  EXPECT_NEAR(codes.values.kurtosis, 3, 0.02);
  const TensorAnalysis& floats = tensor_of(analysis, "layers.0.fc2.weight");
  EXPECT_NEAR(floats.values.deviation, 0.02, 1e-4);
  EXPECT_NEAR(floats.values.mean, 0, 1e-4);
  EXPECT_NEAR(*floats.values.absmax_in_deviations(), floats.values.absmax() / 0.02, 0.05);
  EXPECT_NEAR(*floats.values.bell_int8_bits(), std::log2(524.9 * 0.02 / floats.values.absmax()),
              0.01);
}

uint64_t sum_of(const ValueHistogram& histogram) {
  return std::accumulate(histogram.counts.begin(), histogram.counts.end(), uint64_t{0});
}

TEST(AnalyzeValues, WhatIsNotFiniteIsCountedApart) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> values(1000, 0.5f);
  values[0] = nan;
  values[1] = infinity;
  values[2] = -infinity;
  values[3] = 0;
  values[4] = -2;
  std::vector<std::byte> f32(4000);
  std::memcpy(f32.data(), values.data(), f32.size());
  std::vector<std::byte> bf16(2000);
  for (size_t i = 0; i < 1000; ++i) std::memcpy(bf16.data() + 2 * i, f32.data() + 4 * i + 2, 2);
  std::vector<std::byte> all_nan(64, std::byte{0xFF});
  TempDirectory directory;
  write_file(directory / "m.safetensors", SafetensorsBuilder()
                                              .add("f32", "F32", {1000}, f32)
                                              .add("bf16", "BF16", {1000}, bf16)
                                              .add("nan", "F32", {16}, all_nan)
                                              .build());
  const ModelAnalysis analysis = analyze_file(directory / "m.safetensors");
  for (const char* name : {"f32", "bf16"}) {
    SCOPED_TRACE(name);
    const TensorAnalysis& tensor = tensor_of(analysis, name);
    EXPECT_EQ(tensor.values.value_count, 997u);
    EXPECT_EQ(tensor.values.nan_count, 1u);
    EXPECT_EQ(tensor.values.infinity_count, 2u);
    EXPECT_EQ(tensor.values.zero_count, 1u);
    EXPECT_EQ(tensor.values.minimum, -2);
    EXPECT_EQ(tensor.values.maximum, 0.5);
    EXPECT_EQ(tensor.histogram.lower, -2);
    EXPECT_EQ(sum_of(tensor.histogram), 997u);
  }
  const TensorAnalysis& none = tensor_of(analysis, "nan");
  EXPECT_EQ(none.values.value_count, 0u);
  EXPECT_EQ(none.values.nan_count, 16u);
  EXPECT_FALSE(none.values.absmax_in_deviations());
  EXPECT_FALSE(none.values.bell_int8_bits());
  EXPECT_EQ(sum_of(none.histogram), 0u);
}

TEST(AnalyzeValues, ZerosEmptyAndUnreadableTensors) {
  TempDirectory directory;
  write_file(directory / "m.safetensors",
             SafetensorsBuilder()
                 .add("zeros", "F32", {65536}, std::vector<std::byte>(262144))
                 .add("empty", "BF16", {0, 16}, {})
                 .add("scalar", "F32", {}, std::vector<std::byte>(4))
                 .add("f4", "F4", {64}, random_bytes(32, 1))
                 .add("complex", "C64", {8}, random_bytes(64, 2))
                 .add("flags", "BOOL", {4}, std::vector<std::byte>(4, std::byte{1}))
                 .build());
  const ModelAnalysis analysis = analyze_file(directory / "m.safetensors");
  const TensorAnalysis& zeros = tensor_of(analysis, "zeros");
  EXPECT_EQ(zeros.figures.entropy_bits, 0);
  EXPECT_FALSE(analyze::ratio_bound(zeros.figures));  // No bound: infinite.
  EXPECT_EQ(zeros.values.zero_count, 65536u);
  EXPECT_EQ(zeros.values.deviation, 0);
  EXPECT_FALSE(zeros.values.absmax_in_deviations());
  EXPECT_EQ(sum_of(zeros.histogram), 65536u);
  for (const auto& codec : zeros.figures.codecs) EXPECT_LT(codec.stored_bytes, 100);

  const TensorAnalysis& empty = tensor_of(analysis, "empty");
  EXPECT_EQ(empty.figures.value_count, 0u);
  EXPECT_FALSE(empty.figures.bits_per_value());
  EXPECT_FALSE(analyze::ratio_bound(empty.figures));
  EXPECT_FALSE(analyze::ratio(empty.figures.bytes, empty.figures.packed.stored_bytes));
  EXPECT_FALSE(empty.inferred);

  EXPECT_EQ(tensor_of(analysis, "scalar").figures.value_count, 1u);
  for (const char* name : {"f4", "complex"}) {
    const TensorAnalysis& tensor = tensor_of(analysis, name);
    EXPECT_EQ(tensor.values.value_count, 0u) << name;
    EXPECT_EQ(tensor.histogram.bins, ValueHistogram::Bins::kNone) << name;
    EXPECT_GT(tensor.figures.entropy_bits, 0) << name;
  }
  EXPECT_EQ(tensor_of(analysis, "f4").figures.value_count, 64u);
  EXPECT_EQ(tensor_of(analysis, "flags").values.mean, 1);
}

TEST(AnalyzeValues, AnyFileIsBytes) {
  TempDirectory directory;
  write_file(directory / "weights.bin", gaussian_bf16(300'000, 0.02, 3));
  const ModelAnalysis analysis = analyze_file(directory / "weights.bin");
  ASSERT_EQ(analysis.tensors.size(), 1u);
  EXPECT_EQ(analysis.format, "raw");
  EXPECT_EQ(analysis.tensors[0].values.value_count, 0u);
  ASSERT_EQ(analysis.tensors[0].figures.filters.size(), 4u);
  // What the recipe finds out, too: it is BF16.
  EXPECT_LT(analysis.tensors[0].figures.filters[2].bits(),
            analysis.tensors[0].figures.filters[0].bits());
  write_file(directory / "nothing.bin", std::string_view());
  EXPECT_EQ(analyze_file(directory / "nothing.bin").total.bytes, 0u);
}

TEST(AnalyzeValues, KindsAddUpTheirTensors) {
  TempDirectory directory;
  SafetensorsBuilder builder;
  for (const char* layer : {"0", "1"}) {
    const std::string prefix = std::string("model.layers.") + layer + ".";
    const uint64_t seed = static_cast<uint64_t>(layer[0]);
    builder.add(prefix + "mlp.up_proj.weight", "I8", {256, 256}, gaussian_int8(65536, 20, seed));
    builder.add(prefix + "self_attn.q_proj.weight", "F32", {64, 64},
                gaussian_f32(4096, 0.1, seed + 10));
  }
  builder.add("lm_head.weight", "I8", {256, 256}, gaussian_int8(65536, 9, 5));
  write_file(directory / "m.safetensors", builder.build());
  const ModelAnalysis analysis = analyze_file(directory / "m.safetensors");
  ASSERT_EQ(analysis.kinds.size(), 3u);
  EXPECT_EQ(analysis.kinds[0].kind, TensorKind::kEmbedding);
  EXPECT_EQ(analysis.kinds[1].kind, TensorKind::kAttentionInput);
  EXPECT_EQ(analysis.kinds[1].histogram.bins, ValueHistogram::Bins::kLinear);
  EXPECT_EQ(analysis.kinds[1].histogram.upper, 1);
  EXPECT_EQ(sum_of(analysis.kinds[1].histogram), 2u * 4096);
  EXPECT_EQ(analysis.kinds[2].kind, TensorKind::kUp);
  EXPECT_EQ(analysis.kinds[2].figures.tensor_count, 2u);
  EXPECT_EQ(analysis.kinds[2].histogram.bins, ValueHistogram::Bins::kCodes);
  EXPECT_EQ(sum_of(analysis.kinds[2].histogram), 2u * 65536);
  ASSERT_EQ(analysis.layers.size(), 3u);
  EXPECT_EQ(analysis.layers[0].layer, kNoLayer);
  EXPECT_EQ(analysis.layers[1].layer, 0u);
  EXPECT_EQ(analysis.layers[2].layer, 1u);
  double bits = 0;
  uint64_t bytes = 0;
  for (const auto& layer : analysis.layers) {
    bits += layer.figures.entropy_bits;
    bytes += layer.figures.bytes;
  }
  EXPECT_NEAR(bits, analysis.total.entropy_bits, 1e-6);
  EXPECT_EQ(bytes, analysis.total.bytes);
}

}  // namespace
}  // namespace qload::test
