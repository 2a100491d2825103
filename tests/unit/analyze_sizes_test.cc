// Measured sizes of an analysis against what packing then makes, and the errors that sampling
// brings.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "format/container/container_reader.h"
#include "format/input/model_source.h"
#include "format/pack/pack.h"
#include "tests/support/model_fixtures.h"
#include "tests/unit/analyzed_model.h"
#include "tools/analyze/sampling_plan.h"
#include "tools/report/container_facts.h"

namespace qload::test {
namespace {

using analyze::AnalyzeOptions;
using analyze::ComparedCodec;
using analyze::Figures;
using analyze::kComparedCodecCount;
using analyze::ModelAnalysis;
using analyze::TensorAnalysis;

uint64_t packed_bytes(const std::filesystem::path& path, PackOptions options = {}) {
  const auto source = open_model_source(path, OpenAs::kDetect);
  EXPECT_TRUE(source.ok());
  TempDirectory directory;
  options.verify = false;
  const auto report = pack_model(*source, directory / "packed.qpk", options);
  EXPECT_TRUE(report.ok()) << report.error().message();
  return report.ok() ? report->container_bytes : 0;
}

/// Sum of stored tensor bytes when `path` is packed with `options`; shared chunks once.
uint64_t stored_bytes(const std::filesystem::path& path, PackOptions options) {
  const auto source = open_model_source(path, OpenAs::kDetect);
  EXPECT_TRUE(source.ok());
  TempDirectory directory;
  options.verify = false;
  EXPECT_TRUE(pack_model(*source, directory / "packed.qpk", options).ok());
  auto file = File::open(directory / "packed.qpk");
  EXPECT_TRUE(file.ok());
  const auto container = read_container(std::move(*file));
  EXPECT_TRUE(container.ok());
  return tools::totals_of_all(container->index).stored_bytes;
}

PackOptions pack_with(ComparedCodec codec) {
  switch (codec) {
    case ComparedCodec::kZstd:
      return {.codec = CodecId::kZstd, .zstd_level = 3};
    case ComparedCodec::kHuffman:
      return {.codec = CodecId::kLaneHuffman};
    case ComparedCodec::kFse:
      return {.codec = CodecId::kFse};
    case ComparedCodec::kZstdLiterals:
      break;
  }
  return {.codec = CodecId::kZstd};
}

/// Layers of four matrices whose deviations differ, with norms, in one of several types: 16 MB.
std::vector<std::byte> layered_model(std::string_view dtype) {
  SafetensorsBuilder builder;
  for (uint64_t layer = 0; layer < 6; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    const double wider = 1 + 0.1 * static_cast<double>(layer);
    const auto add = [&](const std::string& name, double sigma, uint64_t rows) {
      const uint64_t count = rows * 1024;
      const uint64_t seed = 100 * layer + rows + name.size();
      builder.add(prefix + name, dtype, {rows, 1024},
                  dtype == "I8"     ? gaussian_int8(count, 20 * sigma * wider, seed)
                  : dtype == "BF16" ? gaussian_bf16(count, 0.02 * sigma * wider, seed)
                                    : gaussian_f32(count, 0.02 * sigma * wider, seed));
    };
    const uint64_t rows = dtype == "I8" ? 1024 : dtype == "BF16" ? 512 : 256;
    add("self_attn.q_proj.weight", 1.5, rows / 2);
    add("self_attn.o_proj.weight", 0.8, rows / 2);
    add("mlp.up_proj.weight", 1.0, rows);
    add("mlp.down_proj.weight", 0.4, rows);
    builder.add(prefix + "input_layernorm.weight", "F32", {1024},
                gaussian_f32(1024, 0.1, 7 * layer));
  }
  return builder.build();
}

TEST(AnalyzeSizes, SmallModelsAreExact) {
  TempDirectory directory;
  write_file(directory / "a.safetensors", small_int8_model(1));
  write_file(directory / "b.gguf", small_gguf_model(1));
  for (const char* name : {"a.safetensors", "b.gguf"}) {
    SCOPED_TRACE(name);
    const std::filesystem::path path = directory / name;
    const ModelAnalysis analysis = analyze_file(path);
    EXPECT_EQ(analysis.load.container_bytes, static_cast<double>(packed_bytes(path)));
    EXPECT_EQ(analysis.measured_chunk_count, analysis.chunk_count);
    EXPECT_EQ(analysis.total.packed.stored_bytes_error, 0);
    for (size_t i = 0; i < kComparedCodecCount; ++i) {
      const auto codec = static_cast<ComparedCodec>(i);
      EXPECT_EQ(analysis.total.codec(codec).stored_bytes,
                static_cast<double>(stored_bytes(path, pack_with(codec))))
          << analyze::compared_codec_name(codec);
      EXPECT_EQ(analysis.total.codec(codec).measured_bytes, analysis.total.bytes);
    }
  }
}

TEST(AnalyzeSizes, ForATargetAreThoseOfPackingForIt) {
  TempDirectory directory;
  write_file(directory / "m.safetensors", small_int8_model(2));
  for (const char* name : {"sd", "nvme4"}) {
    SCOPED_TRACE(name);
    const tools::DeviceProfile& target = *tools::find_built_in_profile(name);
    const ModelAnalysis analysis =
        analyze_file(directory / "m.safetensors", {.target = target}, true);
    EXPECT_EQ(
        analysis.load.container_bytes,
        static_cast<double>(packed_bytes(directory / "m.safetensors", {.target = target.device})));
  }
}

// A few chunks of each family stand for all: within 0.5 %, and within what the errors say.
TEST(AnalyzeSizes, FollowFromAFewChunks) {
  TempDirectory directory;
  for (const char* dtype : {"I8", "BF16"}) {
    SCOPED_TRACE(dtype);
    const std::filesystem::path path = directory / (std::string(dtype) + ".safetensors");
    write_file(path, layered_model(dtype));
    const ModelAnalysis analysis = analyze_file(path, {.measured_bytes = 1 << 20, .threads = 2});
    EXPECT_LT(analysis.measured_chunk_count, analysis.chunk_count);
    EXPECT_EQ(analysis.read_chunk_count, analysis.chunk_count);
    const auto packed = static_cast<double>(packed_bytes(path));
    EXPECT_NEAR(analysis.load.container_bytes / packed, 1, 0.005);
    for (size_t i = 0; i < kComparedCodecCount; ++i) {
      const auto codec = static_cast<ComparedCodec>(i);
      SCOPED_TRACE(analyze::compared_codec_name(codec));
      const auto& found = analysis.total.codec(codec);
      const auto expected = static_cast<double>(stored_bytes(path, pack_with(codec)));
      EXPECT_NEAR(found.stored_bytes / expected, 1, 0.005);
      EXPECT_GT(found.stored_bytes_error, 0);
      EXPECT_LT(std::fabs(found.stored_bytes - expected), 5 * found.stored_bytes_error);
      EXPECT_TRUE(found.encode_rate());
      EXPECT_TRUE(found.decode_rate());
    }
  }
}

TEST(AnalyzeSizes, AreWithinHalfAPercentOnRealWeights) {
  const auto models = models_directory();
  if (!models) GTEST_SKIP() << kNoModels;
  for (const char* name : {"stories260K-f32.safetensors", "real_lm_mix-int8_tensor.safetensors",
                           "real_lm_mix-q4_0.gguf", "superpoint.gguf"}) {
    SCOPED_TRACE(name);
    const std::filesystem::path path = *models / name;
    const auto packed = static_cast<double>(packed_bytes(path));
    EXPECT_EQ(analyze_file(path, {.threads = 2}).load.container_bytes, packed);
    // With much less measured than there is by default.
    const ModelAnalysis few = analyze_file(path, {.measured_bytes = 4 << 20});
    EXPECT_NEAR(few.load.container_bytes / packed, 1, 0.005);
  }
}

TEST(AnalyzeSizes, OfAContainerAreItsOwn) {
  TempDirectory directory;
  const std::filesystem::path source = directory / "m.safetensors";
  write_file(source, small_int8_model(4));
  const auto opened = open_model_source(source, OpenAs::kDetect);
  ASSERT_TRUE(opened.ok());
  // Another recipe than the default: what the container has counts.
  ASSERT_TRUE(
      pack_model(*opened, directory / "m.qpk", {.chunk_bytes = 64 << 10, .codec = CodecId::kFse})
          .ok());
  const ModelAnalysis plain = analyze_file(source);
  const ModelAnalysis packed = analyze_file(directory / "m.qpk");
  EXPECT_EQ(packed.format, "container");
  EXPECT_EQ(packed.load.container_bytes,
            static_cast<double>(std::filesystem::file_size(directory / "m.qpk")));
  EXPECT_EQ(packed.input_bytes, plain.input_bytes);
  ASSERT_EQ(packed.tensors.size(), plain.tensors.size());
  for (size_t i = 0; i < plain.tensors.size(); ++i) {
    const TensorAnalysis& a = plain.tensors[i];
    const TensorAnalysis& b = tensor_of(packed, a.name);
    SCOPED_TRACE(a.name);
    EXPECT_NEAR(a.figures.entropy_bits, b.figures.entropy_bits,
                1e-9 * static_cast<double>(a.figures.bytes));
    EXPECT_EQ(a.histogram.counts, b.histogram.counts);
    EXPECT_EQ(a.kind, b.kind);
    EXPECT_EQ(a.layer, b.layer);
  }
  EXPECT_EQ(
      packed.total.packed.stored_bytes,
      static_cast<double>(stored_bytes(source, {.chunk_bytes = 64 << 10, .codec = CodecId::kFse})));
  // A sample knows the container's sizes as well.
  const ModelAnalysis sample = analyze_file(directory / "m.qpk", {.sample = {.share = 0.1}});
  EXPECT_LT(sample.read_chunk_count, sample.chunk_count);
  EXPECT_EQ(sample.total.packed.stored_bytes, packed.total.packed.stored_bytes);
  EXPECT_EQ(sample.total.packed.stored_bytes_error, 0);
}

TEST(AnalyzeSizes, EqualTensorsCountOnce) {
  const std::vector<std::byte> weights = gaussian_int8(200'000, 20, 1);
  TempDirectory directory;
  write_file(directory / "m.safetensors", SafetensorsBuilder()
                                              .add("embed.weight", "I8", {200'000}, weights)
                                              .add("lm_head.weight", "I8", {200'000}, weights)
                                              .build());
  const ModelAnalysis analysis = analyze_file(directory / "m.safetensors");
  EXPECT_EQ(analysis.duplicate_count, 1u);
  EXPECT_EQ(analysis.total.bytes, 200'000u);
  EXPECT_EQ(analysis.total.tensor_count, 1u);
  const TensorAnalysis& copy = tensor_of(analysis, "lm_head.weight");
  ASSERT_TRUE(copy.same_as);
  EXPECT_EQ(analysis.tensors[*copy.same_as].name, "embed.weight");
  EXPECT_EQ(copy.figures.entropy_bits, analysis.total.entropy_bits);
  EXPECT_EQ(analysis.load.plain_bytes, 400'000);
  EXPECT_EQ(analysis.load.container_bytes,
            static_cast<double>(packed_bytes(directory / "m.safetensors")));
  EXPECT_GT(*analysis.packed_ratio(), 2.0);
}

TEST(AnalyzeSizes, DoNotDependOnThreads) {
  TempDirectory directory;
  write_file(directory / "m.safetensors", layered_model("BF16"));
  const AnalyzeOptions options{.sample = {.share = 0.5}, .measured_bytes = 4 << 20};
  AnalyzeOptions parallel = options;
  parallel.threads = 5;
  const ModelAnalysis one = analyze_file(directory / "m.safetensors", options);
  const ModelAnalysis five = analyze_file(directory / "m.safetensors", parallel);
  EXPECT_EQ(one.total.entropy_bits, five.total.entropy_bits);
  EXPECT_EQ(one.total.entropy_bits_error, five.total.entropy_bits_error);
  EXPECT_EQ(one.total.packed.stored_bytes, five.total.packed.stored_bytes);
  EXPECT_EQ(one.load.container_bytes, five.load.container_bytes);
  for (size_t i = 0; i < one.tensors.size(); ++i) {
    EXPECT_EQ(one.tensors[i].histogram.counts, five.tensors[i].histogram.counts);
    EXPECT_EQ(one.tensors[i].values.kurtosis, five.tensors[i].values.kurtosis);
  }
}

/// By how many of its errors a sample's entropy is off.
double off_by(const Figures& sample, const Figures& exact) {
  return std::fabs(sample.entropy_bits - exact.entropy_bits) / sample.entropy_bits_error;
}

TEST(AnalyzeSample, ErrorsCoverWhatIsNotRead) {
  TempDirectory directory;
  for (const char* dtype : {"I8", "BF16"}) {
    const std::filesystem::path path = directory / (std::string(dtype) + ".safetensors");
    write_file(path, layered_model(dtype));
    const ModelAnalysis exact = analyze_file(path, {.measured_bytes = 1 << 20});
    for (const double share : {0.1, 0.8}) {
      SCOPED_TRACE(std::string(dtype) + " " + std::to_string(share));
      const ModelAnalysis sample =
          analyze_file(path, {.sample = {.share = share}, .measured_bytes = 1 << 20});
      EXPECT_LT(sample.sample_share, 1);
      // Four chunks of each family are read whatever the share.
      EXPECT_LT(sample.sample_share, share + 0.6);
      EXPECT_GT(sample.total.entropy_bits_error, 0);
      EXPECT_LT(off_by(sample.total, exact.total), 4);
      for (size_t i = 0; i < exact.kinds.size(); ++i) {
        if (exact.kinds[i].kind == analyze::TensorKind::kNorm) continue;  // Read whole.
        EXPECT_LT(off_by(sample.kinds[i].figures, exact.kinds[i].figures), 5);
      }
      EXPECT_EQ(sample.total.bytes, exact.total.bytes);
      EXPECT_LT(std::fabs(sample.total.packed.stored_bytes - exact.total.packed.stored_bytes),
                5 * sample.total.packed.stored_bytes_error);
      uint64_t inferred = 0;
      for (const TensorAnalysis& tensor : sample.tensors) {
        inferred += tensor.inferred;
        EXPECT_EQ(tensor.inferred, tensor.figures.read_bytes == 0) << tensor.name;
        EXPECT_GT(tensor.figures.entropy_bits, 0) << tensor.name;
        EXPECT_TRUE(analyze::ratio(tensor.figures.bytes, tensor.figures.packed.stored_bytes));
      }
      if (share < 0.2) {
        EXPECT_GT(inferred, 0u);
      }
    }
  }
}

TEST(AnalyzeSample, IsSpreadOverAllFamilies) {
  TempDirectory directory;
  write_file(directory / "m.safetensors", layered_model("I8"));
  const std::function<void(const PackProgress&)> silent;
  ProgressMeter progress(silent, 0);
  const auto model = analyze::open_chunked_model(directory / "m.safetensors", {}, progress, {});
  ASSERT_TRUE(model.ok());
  const analyze::ChunkedModel& chunks = **model;
  const analyze::RunFamilies families = analyze::find_families(chunks);
  EXPECT_EQ(families.count, 6u);  // Four matrices, norms, kept bytes.
  const uint64_t all = analyze::kEveryByte;
  const auto whole = plan_sampling(chunks, families, all, all);
  EXPECT_EQ(whole.chunks.size(), chunks.item_count());
  EXPECT_EQ(whole.measured_bytes, whole.bytes);
  for (const uint64_t bytes : {uint64_t{1}, uint64_t{5} << 20, uint64_t{10} << 20}) {
    const auto plan = plan_sampling(chunks, families, bytes, bytes / 2);
    std::vector<uint64_t> read(families.count);
    std::vector<uint64_t> measured(families.count);
    for (size_t i = 0; i < plan.chunks.size(); ++i) {
      if (i > 0) {
        EXPECT_LT(plan.chunks[i - 1].item, plan.chunks[i].item);
      }
      const uint32_t family = families.of_run[plan.chunks[i].run];
      ++read[family];
      measured[family] += plan.chunks[i].measured;
      const analyze::ChunkRun& run = chunks.runs()[plan.chunks[i].run];
      EXPECT_GE(plan.chunks[i].item, run.first_item);
      EXPECT_LT(plan.chunks[i].item, run.first_item + run.chunk_count);
    }
    for (uint32_t family = 0; family < families.count; ++family) {
      uint64_t count = 0;
      for (size_t run = 0; run < chunks.runs().size(); ++run) {
        if (families.of_run[run] == family) count += chunks.runs()[run].chunk_count;
      }
      EXPECT_GE(read[family], std::min<uint64_t>(4, count));
      EXPECT_GE(measured[family], std::min<uint64_t>(4, count));
      EXPECT_LE(read[family], count);
    }
  }
}

TEST(AnalyzeModel, ErrorsNameWhatIsWrong) {
  TempDirectory directory;
  const auto absent = try_analyze(directory / "absent.safetensors");
  ASSERT_FALSE(absent.ok());
  EXPECT_EQ(absent.error().code(), ErrorCode::kNotFound);

  write_file(directory / "bad.safetensors", std::string_view("not a header"));
  const auto bad = try_analyze(directory / "bad.safetensors");
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.error().code(), ErrorCode::kCorrupt);

  // A flipped bit in a container's data is found when the chunk is read, and named.
  write_file(directory / "m.safetensors", small_int8_model(4));
  const auto source = open_model_source(directory / "m.safetensors", OpenAs::kDetect);
  ASSERT_TRUE(pack_model(*source, directory / "m.qpk", {}).ok());
  std::vector<std::byte> bytes = read_file(directory / "m.qpk");
  bytes[20'000] ^= std::byte{4};
  write_file(directory / "flipped.qpk", bytes);
  const auto flipped = try_analyze(directory / "flipped.qpk");
  ASSERT_FALSE(flipped.ok());
  EXPECT_EQ(flipped.error().code(), ErrorCode::kCorrupt);
  EXPECT_NE(flipped.error().message().find("tensor \"model."), std::string::npos)
      << flipped.error().message();
}

TEST(AnalyzeModel, StopsOnRequest) {
  TempDirectory directory;
  write_file(directory / "m.safetensors", small_int8_model(4));
  const std::function<void(const PackProgress&)> silent;
  ProgressMeter progress(silent, 0);
  const auto model = analyze::open_chunked_model(directory / "m.safetensors", {}, progress, {});
  ASSERT_TRUE(model.ok());
  std::stop_source stop;
  stop.request_stop();
  const auto stopped = analyze::analyze_model(**model, {}, progress, stop.get_token());
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code(), ErrorCode::kCancelled);
}

}  // namespace
}  // namespace qload::test
