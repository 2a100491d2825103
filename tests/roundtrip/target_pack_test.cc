// Packing for a device: the load it models is no longer than that of any fixed choice, the bytes
// depend on model and device alone, and the size is known before.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "format/pack/chunk_sample.h"
#include "format/pack/container_estimate.h"
#include "format/pack/device_recipe.h"
#include "tests/roundtrip/roundtrip.h"
#include "tests/support/model_fixtures.h"

namespace qload::test {
namespace {

namespace fs = std::filesystem;

struct NamedDevice {
  const char* name;
  TargetDevice device;
};

/// From where only size counts to where hardly any decoding pays.
std::vector<NamedDevice> devices() {
  TargetDevice one_thread;
  one_thread.storage_bytes_per_second = 3e9;
  one_thread.decode_threads = 1;
  TargetDevice card;
  card.storage_bytes_per_second = 90e6;
  TargetDevice fast = one_thread;
  fast.storage_bytes_per_second = 12e9;
  fast.checksum_rate = 10e9;
  TargetDevice measured;
  measured.storage_bytes_per_second = 2.5e9;
  measured.decode_threads = 2;
  measured.thread_scaling = 0.9;
  measured.planes_rate = measured.blocks_rate = 20e9;
  measured.checksum_rate = 12e9;
  measured.touch_rate = 4e9;
  measured.overhead_seconds = 0.002;
  return {{"one thread, 3 GB/s", one_thread},
          {"card", card},
          {"one thread, 12 GB/s", fast},
          {"measured", measured}};
}

/// INT8 of three widths, BF16, noise, and a header.
void write_mixed_model(const fs::path& path) {
  SafetensorsBuilder builder;
  for (int layer = 0; layer < 4; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    const auto seed = static_cast<uint64_t>(10 * layer);
    builder.add(prefix + "narrow", "I8", {512, 1024}, gaussian_int8(512 * 1024, 4, seed));
    builder.add(prefix + "wide", "I8", {512, 1024}, gaussian_int8(512 * 1024, 40, seed + 1));
    builder.add(prefix + "float", "BF16", {256, 1024}, gaussian_bf16(256 * 1024, 0.02, seed + 2));
    builder.add(prefix + "noise", "U8", {100'000}, random_bytes(100'000, seed + 3));
    builder.add(prefix + "norm", "F32", {256}, gaussian_f32(256, 1, seed + 4));
  }
  write_file(path, builder.build());
}

/// Seconds that the device loads what packing with `options` makes of `input`.
double modelled_seconds(const fs::path& input, const fs::path& output, PackOptions options,
                        const TargetDevice& device) {
  options.overwrite = true;
  const auto packed = pack_path(input, output, options);
  EXPECT_TRUE(packed.ok()) << packed.error().message();
  const Container container = open_container(output);
  return modelled_load_seconds(device, container_work(container, device));
}

PackOptions for_target(const TargetDevice& device) {
  PackOptions options = test_options();
  options.target = device;
  return options;
}

std::vector<PackOptions> fixed_choices() {
  std::vector<PackOptions> choices(6, test_options());
  choices[0].codec = CodecId::kStore;
  choices[1].codec = CodecId::kZstd;
  choices[2].codec = CodecId::kZstd;
  choices[2].zstd_level = 1;
  choices[3].codec = CodecId::kZstd;
  choices[3].zstd_level = 3;
  choices[4].codec = CodecId::kLaneHuffman;
  choices[5].codec = CodecId::kFse;
  return choices;
}

/// Within 1 % of the best fixed choice and of the default.
void expect_target_wins(const fs::path& input, const fs::path& scratch) {
  for (const NamedDevice& named : devices()) {
    SCOPED_TRACE(named.name);
    const double target = modelled_seconds(input, scratch, for_target(named.device), named.device);
    EXPECT_LE(target, 1.01 * modelled_seconds(input, scratch, test_options(), named.device))
        << "default";
    for (const PackOptions& fixed : fixed_choices()) {
      EXPECT_LE(target, 1.01 * modelled_seconds(input, scratch, fixed, named.device))
          << find_codec(*fixed.codec)->name << " " << fixed.zstd_level.value_or(0);
    }
  }
}

TEST(TargetPack, LoadsNoSlowerThanAnyFixedChoice) {
  TempDirectory directory;
  write_mixed_model(directory / "m.safetensors");
  expect_target_wins(directory / "m.safetensors", directory / "m.qpk");
}

TEST(TargetPack, LoadsNoSlowerThanAnyFixedChoiceOfRealModels) {
  const auto models = models_directory();
  if (!models) GTEST_SKIP() << kNoModels;
  TempDirectory directory;
  for (const char* name :
       {"superpoint.gguf", "stories260K-int8_tensor.safetensors", "stories260K-q4_0.gguf"}) {
    SCOPED_TRACE(name);
    expect_target_wins(*models / name, directory / "m.qpk");
  }
}

// Where storage and decoding balance, the default decodes too much and storing reads too much.
TEST(TargetPack, IsAheadWhereReadingAndDecodingBalance) {
  TempDirectory directory;
  write_mixed_model(directory / "m.safetensors");
  TargetDevice device = devices()[0].device;
  device.lane_huffman_rate = 1.5e9;
  const auto seconds = [&](const PackOptions& options) {
    return modelled_seconds(directory / "m.safetensors", directory / "m.qpk", options, device);
  };
  const double target = seconds(for_target(device));
  EXPECT_LT(target, 0.95 * seconds(test_options()));
  EXPECT_LT(target, 0.95 * seconds(fixed_choices()[0]));
  EXPECT_LT(target, 0.95 * seconds(fixed_choices()[4]));
}

TEST(TargetPack, BytesDependOnModelAndDeviceAlone) {
  TempDirectory directory;
  write_mixed_model(directory / "m.safetensors");
  for (const NamedDevice& named : devices()) {
    SCOPED_TRACE(named.name);
    PackOptions options = for_target(named.device);
    std::vector<std::byte> first;
    for (const uint32_t threads : {1u, 3u}) {
      options.threads = threads;
      options.target->decode_weight = threads;  // Not used.
      options.overwrite = true;
      ASSERT_TRUE(pack_path(directory / "m.safetensors", directory / "m.qpk", options).ok());
      const auto bytes = read_file(directory / "m.qpk");
      if (first.empty()) first = bytes;
      EXPECT_EQ(bytes, first);
    }
  }
}

TEST(TargetPack, RestoresTheSameBytes) {
  TempDirectory directory;
  write_mixed_model(directory / "m.safetensors");
  for (const NamedDevice& named : devices()) {
    SCOPED_TRACE(named.name);
    expect_roundtrip(directory / "m.safetensors", for_target(named.device));
  }
}

TEST(TargetPack, ContradictionsAndImpossibleDevicesAreRefused) {
  TempDirectory directory;
  write_file(directory / "m.bin", random_bytes(100, 1));
  const auto refused = [&](const PackOptions& options) {
    const auto packed = pack_path(directory / "m.bin", directory / "m.qpk", options);
    EXPECT_FALSE(packed.ok());
    if (packed.ok()) return std::string();
    EXPECT_EQ(packed.error().code(), ErrorCode::kInvalidArgument);
    return std::string(packed.error().message());
  };
  PackOptions options = for_target({});
  options.codec = CodecId::kFse;
  EXPECT_NE(refused(options).find("fixed codec"), std::string::npos);
  options = for_target({});
  options.goal = PackGoal::kSmallest;
  EXPECT_NE(refused(options).find("another goal"), std::string::npos);
  TargetDevice device;
  device.storage_bytes_per_second = 0;
  EXPECT_NE(refused(for_target(device)).find("storage rate is 0"), std::string::npos);
  device = {};
  device.fse_rate = std::nan("");
  EXPECT_NE(refused(for_target(device)).find("fse rate is nan"), std::string::npos);
  device = {};
  device.thread_scaling = 1.5;
  EXPECT_NE(refused(for_target(device)).find("thread scaling"), std::string::npos);
  device = {};
  device.overhead_seconds = -1;
  EXPECT_NE(refused(for_target(device)).find("overhead"), std::string::npos);
}

/// The container of a model packed by default, predicted from a sample of at most `bytes_max`.
uint64_t predicted_bytes(const ModelSource& source, uint64_t bytes_max,
                         uint64_t chunk_bytes = PackOptions{}.chunk_bytes) {
  std::vector<uint32_t> same_as(source.tensors().size());
  for (uint32_t i = 0; i < same_as.size(); ++i) same_as[i] = i;
  const PackPlan plan = std::move(PackPlan::create(source, chunk_bytes, same_as)).value();
  const std::array device = {mid_device()};
  const ChunkSample sample =
      std::move(ChunkSample::take(source, plan, {.devices = device, .bytes_max = bytes_max}, {}))
          .value();
  EXPECT_EQ(sample.plan().bytes < sample.plan().bytes_total, bytes_max < sample.plan().bytes_total);
  return estimate_container(source, plan, PackOptions{},
                            [&](uint64_t item, uint64_t bytes) {
                              const auto form = sample.estimate(item, bytes, 0, device[0]);
                              return ChunkSize{form.stored_bytes, form.form->stream_count,
                                               form.form->stored_raw()};
                            })
      .container_bytes;
}

TEST(ContainerEstimate, IsExactWhenEveryChunkIsKnown) {
  TempDirectory directory;
  write_mixed_model(directory / "m.safetensors");
  write_file(directory / "g.gguf", small_gguf_model(1));
  write_file(directory / "r.bin", random_bytes(5'000'001, 1));
  write_file(directory / "e.bin", random_bytes(0, 1));
  for (const char* name : {"m.safetensors", "g.gguf", "r.bin", "e.bin"}) {
    SCOPED_TRACE(name);
    const auto packed = pack_path(directory / name, directory / "out.qpk", [] {
      PackOptions options;
      options.overwrite = true;
      return options;
    }());
    ASSERT_TRUE(packed.ok()) << packed.error().message();
    const auto source = open_model_source(directory / name, OpenAs::kDetect);
    ASSERT_TRUE(source.ok());
    EXPECT_EQ(predicted_bytes(*source, kSampleBytes), packed->container_bytes);
  }
}

TEST(ContainerEstimate, ASampleIsNear) {
  TempDirectory directory;
  write_mixed_model(directory / "m.safetensors");
  PackOptions options = test_options();
  options.chunk_bytes = 65536;
  ASSERT_TRUE(pack_path(directory / "m.safetensors", directory / "m.qpk", options).ok());
  const auto source = open_model_source(directory / "m.safetensors", OpenAs::kDetect);
  ASSERT_TRUE(source.ok());
  const auto bytes = static_cast<double>(fs::file_size(directory / "m.qpk"));
  EXPECT_NEAR(static_cast<double>(predicted_bytes(*source, 2 << 20, 65536)), bytes, 0.02 * bytes);
}

TEST(ContainerEstimate, RealModelsWithin2Percent) {
  const auto models = models_directory();
  if (!models) GTEST_SKIP() << kNoModels;
  TempDirectory directory;
  for (const char* name : {"superpoint.gguf", "taesd-decoder.gguf", "stories260K-f32.gguf",
                           "stories260K-int8_channel.safetensors"}) {
    SCOPED_TRACE(name);
    PackOptions options = test_options();
    options.overwrite = true;
    ASSERT_TRUE(pack_path(*models / name, directory / "m.qpk", options).ok());
    const auto source = open_model_source(*models / name, OpenAs::kDetect);
    ASSERT_TRUE(source.ok());
    const auto bytes = static_cast<double>(fs::file_size(directory / "m.qpk"));
    EXPECT_NEAR(static_cast<double>(predicted_bytes(*source, kSampleBytes)), bytes, 0.02 * bytes);
  }
}

// Every chunk has one that stands for it, of its own type and role.
TEST(PlanSample, EachKindIsSampledAndNoMoreThanAsked) {
  TempDirectory directory;
  write_mixed_model(directory / "m.safetensors");
  const auto source = open_model_source(directory / "m.safetensors", OpenAs::kDetect);
  ASSERT_TRUE(source.ok());
  std::vector<uint32_t> same_as(source->tensors().size());
  for (uint32_t i = 0; i < same_as.size(); ++i) same_as[i] = i;
  const PackPlan plan = std::move(PackPlan::create(*source, 65536, same_as)).value();
  const SamplePlan sample = plan_sample(*source, plan, 1 << 20);
  ASSERT_EQ(sample.standing_for.size(), plan.item_count());
  EXPECT_TRUE(std::ranges::is_sorted(sample.items));
  EXPECT_LT(sample.bytes, 2u << 20);
  for (uint64_t item = 0; item < plan.item_count(); ++item) {
    const PackRun& own = plan.run_of(item);
    const PackRun& other = plan.run_of(sample.items[sample.standing_for[item]]);
    EXPECT_EQ(own.kind, other.kind);
    EXPECT_EQ(run_dtype(*source, own), run_dtype(*source, other));
  }
  const SamplePlan all = plan_sample(*source, plan, UINT64_MAX);
  EXPECT_EQ(all.items.size(), plan.item_count());
  EXPECT_EQ(all.bytes, all.bytes_total);
}

TEST(DeviceRecipe, LeanChunksAreSpreadEvenly) {
  for (const double share : {0.0, 0.25, 0.5, 0.73}) {
    const DeviceRecipe recipe{.weight = 1, .lean_weight = 2, .lean_share = share};
    uint64_t lean = 0;
    for (uint64_t item = 0; item < 1000; ++item) {
      lean += recipe.is_lean(item) ? 1 : 0;
      EXPECT_NEAR(static_cast<double>(lean), share * static_cast<double>(item + 1), 1.0);
    }
  }
}

}  // namespace
}  // namespace qload::test
