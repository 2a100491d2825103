// Tensors that share chunks, through each read engine: every way of loading fills each of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "format/pack/pack.h"
#include "qload/loader.h"
#include "tests/support/engine_kinds.h"
#include "tests/support/model_fixtures.h"
#include "tests/support/packed_model.h"

namespace qload {
namespace {

using test::EngineKind;
using test::PackedModel;
using test::TempDirectory;

constexpr uint64_t kCopyCount = 1000;

/// Pairs and more of equal tensors: coded, of planes, raw (large and small), zeros; and 1000
/// copies of one of 4 KiB, in a container of some twenty chunks.
PackedModel pack_duplicates(const TempDirectory& directory) {
  PackedModel model;
  test::SafetensorsBuilder builder;
  const auto add = [&](std::string name, const char* dtype, std::vector<uint64_t> shape,
                       const std::vector<std::byte>& bytes) {
    model.tensors[name] = bytes;
    builder.add(name, dtype, std::move(shape), bytes);
  };
  const auto coded = test::gaussian_int8(1'500'000, 6.0, 1);
  const auto planes = test::gaussian_bf16(200'000, 0.02, 2);
  const auto raw = test::random_bytes(2'000'003, 3);
  const auto small_raw = test::random_bytes(5'001, 4);
  add("lm_head.weight", "I8", {1500, 1000}, coded);
  add("model.embed_tokens.weight", "I8", {1500, 1000}, coded);
  for (const char* layer : {"model.layers.0.", "model.layers.1.", "model.layers.2."}) {
    add(std::string(layer) + "raw", "U8", {2'000'003}, raw);
    add(std::string(layer) + "planes", "BF16", {200, 1000}, planes);
    add(std::string(layer) + "small", "U8", {5'001}, small_raw);
    add(std::string(layer) + "zero", "F16", {400'000}, std::vector<std::byte>(800'000));
  }
  add("model.layers.1.own", "U8", {700'000}, test::random_bytes(700'000, 5));
  for (uint64_t i = 0; i < kCopyCount; ++i) {
    add("bias." + std::to_string(i), "F32", {1024}, test::gaussian_f32(1024, 1.0, 6));
  }
  test::write_file(directory / "m.safetensors", builder.build());
  model.path = directory / "m.qpk";
  auto source = open_model_source(directory / "m.safetensors", OpenAs::kDetect);
  EXPECT_TRUE(source.ok());
  if (!source.ok()) return model;
  PackOptions options;
  options.chunk_bytes = 256u << 10;
  options.threads = 2;
  const auto report = pack_model(*source, model.path, options);
  EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().message());
  if (report.ok()) {
    EXPECT_EQ(report->duplicate_count, 1u + 2 * 4 + kCopyCount - 1);
  }
  return model;
}

struct Way {
  EngineKind engine;
  bool direct;
  uint64_t staging_bytes;
};

class LoaderDuplicates : public ::testing::TestWithParam<Way> {
 protected:
  static void SetUpTestSuite() {
    directory_ = new TempDirectory();
    packed_ = new PackedModel(pack_duplicates(*directory_));
  }
  static void TearDownTestSuite() {
    delete packed_;
    delete directory_;
  }
  void SetUp() override {
    unsetenv("QLOAD_IO");
    unsetenv("QLOAD_DIRECT");
    auto model = Model::open(packed_->path);
    ASSERT_TRUE(model.ok()) << model.error().message();
    model_.emplace(std::move(model).value());
    LoaderOptions options;
    const bool uring = GetParam().engine == EngineKind::kUring;
    options.io_backend = uring ? IoBackend::kUring : IoBackend::kPread;
    options.direct_io = GetParam().direct ? DirectIo::kOptional : DirectIo::kDisabled;
    options.staging_bytes = GetParam().staging_bytes;
    options.decode_threads = 3;
    auto loader = Loader::create(options);
    if (!loader.ok() && uring && !test::kernel_grants_uring(options.queue_depth)) {
      GTEST_SKIP() << loader.error().message();
    }
    ASSERT_TRUE(loader.ok()) << loader.error().message();
    loader_.emplace(std::move(loader).value());
    load_.statistics = &statistics_;
  }
  /// Stored bytes of different runs of chunks among `names`.
  uint64_t stored_once(std::span<const std::string_view> names) const {
    std::map<std::vector<std::byte>, uint64_t> runs;
    for (const std::string_view name : names) {
      runs[packed_->tensors.at(std::string(name))] = model_->find(name)->stored_bytes;
    }
    uint64_t bytes = 0;
    for (const auto& [content, stored] : runs) bytes += stored;
    return bytes;
  }
  void expect_load(std::vector<std::string_view> names) {
    auto weights = loader_->load(*model_, names, load_);
    ASSERT_TRUE(weights.ok()) << weights.error().message();
    ASSERT_EQ(weights->tensors().size(), names.size());
    test::expect_weights(*weights, *packed_, false);
    EXPECT_EQ(statistics_.bytes_stored, stored_once(names));
  }
  /// Loads into memory of its own for each name, `shift` bytes past a page, filled with a pattern
  /// before, and with guards on both sides.
  void expect_load_into(std::span<const std::string_view> names, size_t shift) {
    constexpr std::byte kGuard{0xA5};
    std::vector<std::vector<std::byte>> memory;
    std::vector<Destination> destinations;
    for (const std::string_view name : names) {
      const uint64_t bytes = model_->find(name)->bytes;
      memory.emplace_back(bytes + 2 * 4096 + 64, kGuard);
      const auto base = reinterpret_cast<uintptr_t>(memory.back().data());
      std::byte* data = memory.back().data() + (4096 - base % 4096) % 4096 + shift;
      destinations.push_back({name, {data, bytes}});
    }
    const Status status = loader_->load_into(*model_, destinations, load_);
    ASSERT_TRUE(status.ok()) << status.error().message();
    for (size_t i = 0; i < names.size(); ++i) {
      const auto& expected = packed_->tensors.at(std::string(names[i]));
      const auto is_guard = [](std::byte b) { return b == kGuard; };
      const std::byte* data = destinations[i].data.data();
      EXPECT_TRUE(std::ranges::equal(destinations[i].data, expected)) << names[i] << " + " << shift;
      EXPECT_TRUE(std::all_of(static_cast<const std::byte*>(memory[i].data()), data, is_guard));
      EXPECT_TRUE(std::all_of(data + expected.size(),
                              static_cast<const std::byte*>(memory[i].data() + memory[i].size()),
                              is_guard));
    }
  }

  static TempDirectory* directory_;
  static PackedModel* packed_;
  std::optional<Model> model_;
  std::optional<Loader> loader_;
  LoadOptions load_;
  LoadStatistics statistics_;
};
TempDirectory* LoaderDuplicates::directory_ = nullptr;
PackedModel* LoaderDuplicates::packed_ = nullptr;

TEST_P(LoaderDuplicates, WholeModel) {
  std::vector<std::string_view> names;
  for (const TensorInfo& info : model_->tensors()) names.push_back(info.name);
  for (const Verify verify : {Verify::kChunks, Verify::kIndexOnly, Verify::kDecoded}) {
    load_.verify = verify;
    auto weights = loader_->load(*model_, load_);
    ASSERT_TRUE(weights.ok()) << weights.error().message();
    test::expect_weights(*weights, *packed_);
    EXPECT_EQ(statistics_.bytes_decoded, model_->decoded_bytes());
    EXPECT_EQ(statistics_.bytes_stored, stored_once(names)) << "shared chunks are read once";
    EXPECT_LE(statistics_.bytes_read, statistics_.bytes_stored + statistics_.read_count * 8192);
  }
  EXPECT_LT(statistics_.bytes_stored, model_->decoded_bytes() / 2);
}

TEST_P(LoaderDuplicates, EitherNameAndBoth) {
  expect_load({"lm_head.weight"});
  expect_load({"model.embed_tokens.weight"});
  expect_load({"lm_head.weight", "model.embed_tokens.weight"});
  expect_load({"model.embed_tokens.weight", "model.layers.1.own", "lm_head.weight"});
  expect_load({"model.layers.2.zero", "model.layers.0.zero", "bias.7", "bias.999"});
  expect_load({"model.layers.0.planes", "model.layers.2.planes", "model.layers.1.planes"});
  expect_load({"model.layers.2.small"});
}

// A raw run that one tensor of several wants goes in place all the same.
TEST_P(LoaderDuplicates, RawRuns) {
  for (const char* layer : {"model.layers.0.raw", "model.layers.1.raw", "model.layers.2.raw"}) {
    expect_load({layer});
    EXPECT_GT(statistics_.bytes_read_in_place, 1'900'000u) << layer;
  }
  expect_load({"model.layers.2.raw", "model.layers.0.raw"});
  expect_load({"model.layers.0.raw", "model.layers.1.own", "model.layers.1.raw",
               "model.layers.1.small", "model.layers.2.raw", "model.layers.2.small"});
}

TEST_P(LoaderDuplicates, IntoMemoryOfTheCaller) {
  const std::string_view sets[][4] = {
      {"lm_head.weight", "model.embed_tokens.weight", "model.layers.0.raw", "model.layers.2.raw"},
      {"model.layers.1.planes", "model.layers.2.raw", "model.layers.0.planes", "bias.1"},
      {"model.layers.0.zero", "model.layers.1.zero", "model.layers.2.small",
       "model.layers.0.small"},
  };
  for (const auto& names : sets) {
    for (const size_t shift : {0u, 1u, 512u, 4095u}) expect_load_into(names, shift);
  }
}

std::string way_name(const ::testing::TestParamInfo<Way>& info) {
  return std::string(info.param.engine == EngineKind::kUring ? "Uring" : "Pread") +
         (info.param.direct ? "Direct" : "Buffered") +
         (info.param.staging_bytes < (8u << 20) ? "Tight" : "");
}
INSTANTIATE_TEST_SUITE_P(Ways, LoaderDuplicates,
                         ::testing::Values(Way{EngineKind::kPread, false, 32u << 20},
                                           Way{EngineKind::kPread, true, 1u << 20},
                                           Way{EngineKind::kUring, false, 1u << 20},
                                           Way{EngineKind::kUring, true, 32u << 20}),
                         way_name);

}  // namespace
}  // namespace qload
