// Weights kept packed: what they hold, what they cost, and what decodes from them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "qload/packed.h"
#include "tests/support/counting_hook.h"
#include "tests/support/packed_model_suite.h"

namespace qload {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMiB = 1u << 20;

class PackedWeightsTest : public test::PackedModelSuite {
 protected:
  PackedWeightsTest() : model_(open()) {}

  static Loader make_loader(const LoaderOptions& options = {}) {
    auto loader = Loader::create(options);
    EXPECT_TRUE(loader.ok()) << (loader.ok() ? "" : loader.error().message());
    return std::move(loader).value();
  }
  PackedWeights load(Loader& loader, const LoadOptions& options = {}) {
    auto packed = loader.load_packed(model_, options);
    EXPECT_TRUE(packed.ok()) << (packed.ok() ? "" : packed.error().message());
    return std::move(packed).value();
  }
  /// Decodes all of `packed` and compares.
  void expect_decodes(Loader& loader, const PackedWeights& packed,
                      const LoadOptions& options = {}) {
    std::vector<std::vector<std::byte>> memory;
    std::vector<Destination> destinations;
    for (const TensorInfo* info : packed.tensors()) {
      memory.emplace_back(info->bytes, std::byte{0xA5});
      destinations.push_back({info->name, memory.back()});
    }
    const Status status = loader.decode(packed, destinations, options);
    ASSERT_TRUE(status.ok()) << status.error().message();
    for (const Destination& one : destinations) {
      ASSERT_TRUE(std::ranges::equal(one.data, packed_.tensors.at(std::string(one.name))))
          << one.name;
    }
  }
  uint64_t chunk_bytes() const {
    uint64_t bytes = 0;
    for (const TensorInfo& info : model_.tensors()) {
      const bool twin = info.name == "lm_head.tied" || info.name == "lm_head.raw_twin";
      if (!twin) bytes += info.stored_bytes;
    }
    return bytes;
  }

  const Model model_;
};

TEST_F(PackedWeightsTest, HoldsWhatIsStoredAndDecodesToTheModel) {
  for (const IoBackend backend : {IoBackend::kAuto, IoBackend::kPread}) {
    for (const PageCache page_cache : {PageCache::kAuto, PageCache::kBypass, PageCache::kKeep}) {
      Loader loader = make_loader({.io_backend = backend});
      LoadStatistics statistics;
      LoadOptions options;
      options.page_cache = page_cache;
      options.statistics = &statistics;
      const PackedWeights packed = load(loader, options);
      EXPECT_EQ(packed.tensors().size(), packed_.tensors.size());
      EXPECT_EQ(statistics.bytes_decoded, chunk_bytes());
      EXPECT_EQ(statistics.bytes_stored, chunk_bytes());
      EXPECT_GE(statistics.bytes_read, chunk_bytes());
      EXPECT_GE(statistics.bytes_read_in_place, chunk_bytes() * 9 / 10);
      EXPECT_EQ(statistics.destination_bytes, packed.stored_bytes());
      EXPECT_GE(packed.stored_bytes(), chunk_bytes());
      EXPECT_LE(packed.stored_bytes(), chunk_bytes() + 64 * 4096);
      EXPECT_LT(packed.stored_bytes(), model_.decoded_bytes() * 3 / 4);
      expect_decodes(loader, packed);
    }
  }
}

TEST_F(PackedWeightsTest, NamesChooseTensors) {
  Loader loader = make_loader();
  const std::string_view names[] = {"lm_head.raw_twin", "model.layers.1.mlp.weight", "lm_head.raw",
                                    "model.layers.0.tiny.0"};
  auto packed = loader.load_packed(model_, names);
  ASSERT_TRUE(packed.ok()) << packed.error().message();
  EXPECT_EQ(packed->tensors().size(), 4u);
  EXPECT_NE(packed->find("lm_head.raw"), nullptr);
  EXPECT_EQ(packed->find("lm_head.raw"), model_.find("lm_head.raw"));
  EXPECT_EQ(packed->find("lm_head.tied"), nullptr);
  EXPECT_EQ(packed->find("absent"), nullptr);
  EXPECT_LT(packed->stored_bytes(), 4 * kMiB) << "twins share their chunks";
  expect_decodes(loader, *packed);

  const std::string_view absent[] = {"absent"};
  EXPECT_EQ(loader.load_packed(model_, absent).error().code(), ErrorCode::kNotFound);
  const std::string_view twice[] = {"lm_head.raw", "lm_head.raw"};
  EXPECT_EQ(loader.load_packed(model_, twice).error().code(), ErrorCode::kInvalidArgument);
  auto nothing = loader.load_packed(model_, std::span<const std::string_view>());
  ASSERT_TRUE(nothing.ok()) << nothing.error().message();
  EXPECT_TRUE(nothing->tensors().empty());
  EXPECT_EQ(nothing->stored_bytes(), 0u);
}

TEST_F(PackedWeightsTest, DecodeReportsAndRefuses) {
  Loader loader = make_loader();
  const std::string_view names[] = {"lm_head.raw", "lm_head.tied"};
  auto packed = loader.load_packed(model_, names);
  ASSERT_TRUE(packed.ok());
  LoadStatistics statistics;
  uint64_t last = 0;
  LoadOptions options;
  options.verify = Verify::kDecoded;
  options.statistics = &statistics;
  options.on_progress = [&](const Progress& progress) {
    EXPECT_GE(progress.bytes_decoded, last);
    last = progress.bytes_decoded;
    EXPECT_EQ(progress.bytes_total, (3u << 20) + 2000 * 1024);
  };
  expect_decodes(loader, *packed, options);
  EXPECT_EQ(last, (3u << 20) + 2000 * 1024);
  EXPECT_EQ(statistics.bytes_decoded, last);
  EXPECT_EQ(statistics.bytes_read, 0u);
  EXPECT_EQ(statistics.read_count, 0u);
  EXPECT_NE(statistics.bound, LoadStage::kStorage);
  EXPECT_NE(statistics.bound, LoadStage::kNone);

  std::vector<std::byte> memory(2u << 20);
  const Destination absent[] = {{"lm_head.zeros", memory}};
  const Status missing = loader.decode(*packed, absent);
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(std::string(missing.error().message()), HasSubstr("lm_head.zeros"));
  const Destination small[] = {{"lm_head.raw", memory}};
  EXPECT_EQ(loader.decode(*packed, small).error().code(), ErrorCode::kInvalidArgument);

  std::stop_source stop;
  stop.request_stop();
  options = {};
  options.stop = stop.get_token();
  std::vector<std::byte> raw(3u << 20);
  const Destination right[] = {{"lm_head.raw", raw}};
  EXPECT_EQ(loader.decode(*packed, right, options).error().code(), ErrorCode::kCancelled);
  EXPECT_EQ(loader.load_packed(model_, options).error().code(), ErrorCode::kCancelled);
  EXPECT_TRUE(loader.decode(*packed, right).ok());
}

TEST_F(PackedWeightsTest, OutliveTheirLoaderAndMove) {
  std::optional<Loader> loader(make_loader({.reuse_bytes = 64 * kMiB}));
  PackedWeights packed = load(*loader);
  loader.reset();
  PackedWeights moved = std::move(packed);
  Loader other = make_loader();
  expect_decodes(other, moved);
}

TEST_F(PackedWeightsTest, AHookGivesTheMemory) {
  test::CountingHook counter;
  Loader loader = make_loader();
  LoadOptions options;
  options.allocator = counter.allocator();
  {
    const PackedWeights packed = load(loader, options);
    EXPECT_EQ(counter.allocated, packed.stored_bytes());
    expect_decodes(loader, packed);
  }
  EXPECT_EQ(counter.released, counter.allocated);
  counter.refuse = true;
  EXPECT_EQ(loader.load_packed(model_, options).error().code(), ErrorCode::kOutOfMemory);
  options.allocator.release = nullptr;
  EXPECT_EQ(loader.load_packed(model_, options).error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(PackedWeightsTest, ABudgetCountsThemWhileTheyLive) {
  LoaderOptions limits;
  limits.decode_threads = 1;
  limits.staging_bytes = kMiB;
  limits.ignore_cgroup = true;
  Loader free = make_loader(limits);
  const uint64_t packed_bytes = load(free).stored_bytes();
  // Packed it fits, decoded it does not.
  limits.memory_bytes_max = packed_bytes + 4 * kMiB;
  Loader loader = make_loader(limits);
  auto whole = loader.load(model_);
  ASSERT_FALSE(whole.ok());
  EXPECT_EQ(whole.error().code(), ErrorCode::kBudgetTooSmall);
  std::optional<PackedWeights> packed(load(loader));
  auto second = loader.load_packed(model_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), ErrorCode::kBudgetTooSmall);
  EXPECT_THAT(std::string(second.error().message()), HasSubstr("memory_bytes_max"));
  packed.reset();
  packed.emplace(load(loader));
  expect_decodes(loader, *packed);
  limits.memory_bytes_max = packed_bytes;
  Loader tight = make_loader(limits);
  EXPECT_EQ(tight.load_packed(model_).error().code(), ErrorCode::kBudgetTooSmall);
}

TEST_F(PackedWeightsTest, MemoryIsReused) {
  Loader loader = make_loader({.reuse_bytes = 64 * kMiB});
  { const PackedWeights packed = load(loader); }
  LoadStatistics statistics;
  LoadOptions options;
  options.statistics = &statistics;
  const PackedWeights packed = load(loader, options);
  EXPECT_EQ(statistics.reused_bytes, packed.stored_bytes());
  expect_decodes(loader, packed);
}

// Beside ordinary loads on the same threads.
TEST_F(PackedWeightsTest, ManyThreadsDecodeAndLoad) {
  Loader loader = make_loader();
  const PackedWeights packed = load(loader);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 3; ++round) {
        if (i % 2 == 0) {
          expect_decodes(loader, packed);
          continue;
        }
        auto weights = loader.load(model_);
        ASSERT_TRUE(weights.ok()) << weights.error().message();
        test::expect_weights(*weights, packed_);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace qload
