// LayerStream: every layer in order and right, within the budget, whatever the caller does.
#include "qload/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/support/layered_model_suite.h"

namespace qload {
namespace {

using test::kStagingBytes;
using test::PackedModel;
using test::TempDirectory;
using ::testing::HasSubstr;

class LayerStreamTest : public test::LayeredModelSuite {};

TEST_F(LayerStreamTest, EveryLayerOfEveryPassWithinAnyBudget) {
  Loader loader = make_loader();
  for (const uint64_t beyond_staging : {3u << 20, 5u << 20, 6u << 20, 9u << 20, 64u << 20}) {
    for (const bool fill : {false, true}) {
      StreamOptions options;
      options.budget_bytes = kStagingBytes + beyond_staging;
      options.passes = 3;
      options.fill_resident = fill;
      auto stream = loader.stream(model_, options);
      ASSERT_TRUE(stream.ok()) << stream.error().message();
      const StreamFacts facts = stream->facts();
      EXPECT_EQ(facts.staging_bytes, kStagingBytes);
      EXPECT_LE(
          facts.staging_bytes + facts.resident_bytes + facts.packed_bytes + facts.portion_bytes,
          options.budget_bytes);
      EXPECT_TRUE(fill || facts.resident_bytes == 0);
      const auto passes = run_through(*stream);
      ASSERT_EQ(passes.size(), 3u) << beyond_staging;
      for (const auto& names : passes) EXPECT_EQ(names, all_names());
      const PassStatistics last = stream->last_pass();
      EXPECT_EQ(last.pass, 2u);
      EXPECT_EQ(last.bytes_decoded, facts.decoded_bytes_per_pass);
      EXPECT_EQ(last.bytes_stored, facts.storage_bytes_per_pass);
      auto beyond = stream->next();
      ASSERT_FALSE(beyond.ok());
      EXPECT_EQ(beyond.error().code(), ErrorCode::kInvalidArgument);
    }
  }
}

TEST_F(LayerStreamTest, AllResidentReadsNothing) {
  Loader loader = make_loader();
  StreamOptions options;
  options.budget_bytes = 256u << 20;
  options.passes = 2;
  auto stream = loader.stream(model_, options);
  ASSERT_TRUE(stream.ok());
  EXPECT_EQ(stream->facts().storage_bytes_per_pass, 0u);
  EXPECT_EQ(stream->facts().portion_bytes, 0u);
  EXPECT_EQ(run_through(*stream).size(), 2u);
  EXPECT_EQ(stream->last_pass().bytes_read, 0u);
}

// Memory for the packed model and two portions, not for the decoded one; storage that is slow.
TEST_F(LayerStreamTest, KeptPackedItIsDecodedFromMemory) {
  const TempDirectory directory;
  const PackedModel packed = test::write_layered_model(directory, 20);
  const Model model = Model::open(packed.path).value();
  Loader loader = make_loader();
  StreamOptions options;
  options.passes = 3;
  options.keep_packed = true;
  options.rates = {.storage_rate = 50e6, .decode_rate = 5e9};
  for (const uint64_t beyond_staging : {13u << 20, 27u << 20}) {
    options.budget_bytes = kStagingBytes + beyond_staging;
    auto stream = loader.stream(model, options);
    ASSERT_TRUE(stream.ok()) << stream.error().message();
    const StreamFacts facts = stream->facts();
    EXPECT_GT(facts.packed_bytes, 0u);
    EXPECT_EQ(facts.storage_bytes_per_pass == 0, beyond_staging == 27u << 20);
    EXPECT_LE(facts.staging_bytes + facts.resident_bytes + facts.packed_bytes + facts.portion_bytes,
              options.budget_bytes);
    size_t tensors = 0;
    while (!stream->done()) {
      auto layer = stream->next();
      ASSERT_TRUE(layer.ok()) << layer.error().message();
      test::expect_layer(*layer, packed);
      tensors += layer->tensors().size();
    }
    EXPECT_EQ(tensors, 3 * packed.tensors.size());
    EXPECT_EQ(stream->last_pass().bytes_stored, facts.storage_bytes_per_pass);
    EXPECT_EQ(stream->last_pass().bytes_decoded, facts.decoded_bytes_per_pass);
  }
}

TEST_F(LayerStreamTest, MoreMemoryMeansLessReading) {
  Loader loader = make_loader();
  uint64_t before = ~uint64_t{0};
  for (uint64_t beyond = 6u << 20; beyond <= 14u << 20; beyond += 1u << 20) {
    StreamOptions options;
    options.budget_bytes = kStagingBytes + beyond;
    auto stream = loader.stream(model_, options);
    ASSERT_TRUE(stream.ok()) << stream.error().message();
    EXPECT_LE(stream->facts().storage_bytes_per_pass, before) << beyond;
    before = stream->facts().storage_bytes_per_pass;
  }
}

// The budget holds two layers; a caller that keeps them all is told so, and may go on.
TEST_F(LayerStreamTest, ACallerThatKeepsLayersGetsAnError) {
  Loader loader = make_loader();
  StreamOptions options;
  options.budget_bytes = kStagingBytes + (5u << 20);
  options.fill_resident = false;
  auto stream = loader.stream(model_, options);
  ASSERT_TRUE(stream.ok());
  std::vector<Layer> kept;
  std::optional<Error> error;
  while (!error && !stream->done()) {
    auto layer = stream->next();
    if (layer.ok()) {
      kept.push_back(std::move(layer).value());
    } else {
      error = layer.error();
    }
  }
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::kBudgetTooSmall);
  EXPECT_THAT(std::string(error->message()), HasSubstr("the caller holds"));
  for (const Layer& layer : kept) test::expect_layer(layer, *packed_);
  const size_t got = kept.size();
  kept.clear();
  size_t rest = 0;
  while (!stream->done()) {
    auto layer = stream->next();
    ASSERT_TRUE(layer.ok()) << layer.error().message();
    test::expect_layer(*layer, *packed_);
    ++rest;
  }
  EXPECT_EQ(got + rest, stream->facts().parts_per_pass);
}

// One layer stays in the caller's hands for long; the rest of the budget serves the others.
TEST_F(LayerStreamTest, ALayerThatIsKeptLeavesRoomForOthers) {
  Loader loader = make_loader();
  StreamOptions options;
  options.budget_bytes = kStagingBytes + (6u << 20);
  options.fill_resident = false;
  const std::string_view skip[] = {"embed", "lm_head"};
  options.skip = skip;
  for (uint32_t kept_layer = 0; kept_layer < 4; ++kept_layer) {
    auto stream = loader.stream(model_, options);
    ASSERT_TRUE(stream.ok());
    std::optional<Layer> kept;
    while (!stream->done()) {
      auto layer = stream->next();
      ASSERT_TRUE(layer.ok()) << layer.error().message();
      test::expect_layer(*layer, *packed_);
      if (layer->layer() == kept_layer) kept = std::move(layer).value();
    }
    test::expect_layer(*kept, *packed_);
  }
}

TEST_F(LayerStreamTest, LayersOutliveTheStreamAndTheLoader) {
  std::optional<Layer> layer;
  {
    Loader loader = make_loader();
    StreamOptions options;
    options.budget_bytes = kStagingBytes + (8u << 20);
    options.passes = 0;
    auto stream = loader.stream(model_, options);
    ASSERT_TRUE(stream.ok());
    for (int i = 0; i < 20; ++i) {
      layer.reset();
      auto next = stream->next();
      ASSERT_TRUE(next.ok());
      layer = std::move(next).value();
    }
    EXPECT_FALSE(stream->done());
  }
  test::expect_layer(*layer, *packed_);
}

TEST_F(LayerStreamTest, CancelEndsIt) {
  Loader loader = make_loader();
  std::stop_source stop;
  StreamOptions options;
  options.budget_bytes = kStagingBytes + (6u << 20);
  options.passes = 0;
  options.load.stop = stop.get_token();
  auto stream = loader.stream(model_, options);
  ASSERT_TRUE(stream.ok());
  ASSERT_TRUE(stream->next().ok());
  std::thread other([&] { stop.request_stop(); });
  Result<Layer> last = stream->next();
  while (last.ok()) last = stream->next();
  other.join();
  EXPECT_EQ(last.error().code(), ErrorCode::kCancelled);
  EXPECT_EQ(stream->next().error().code(), ErrorCode::kCancelled);
}

TEST_F(LayerStreamTest, TwoStreamsAndALoadShareALoader) {
  Loader loader = make_loader();
  const auto stream_through = [&](uint64_t beyond, uint32_t passes) {
    StreamOptions options;
    options.budget_bytes = kStagingBytes + beyond;
    options.passes = passes;
    auto stream = loader.stream(model_, options);
    ASSERT_TRUE(stream.ok()) << stream.error().message();
    EXPECT_EQ(run_through(*stream).size(), passes);
  };
  std::thread first([&] { stream_through(5u << 20, 4); });
  std::thread second([&] { stream_through(7u << 20, 3); });
  auto weights = loader.load(model_);
  ASSERT_TRUE(weights.ok());
  test::expect_weights(*weights, *packed_);
  first.join();
  second.join();
}

TEST_F(LayerStreamTest, ReleasedByOtherThreads) {
  Loader loader = make_loader();
  StreamOptions options;
  options.budget_bytes = kStagingBytes + (6u << 20);
  options.passes = 3;
  auto stream = loader.stream(model_, options);
  ASSERT_TRUE(stream.ok());
  std::vector<std::thread> threads;
  while (!stream->done()) {
    auto layer = stream->next();
    if (!layer.ok()) {
      // All memory is in the other threads' hands: they give it back soon.
      ASSERT_EQ(layer.error().code(), ErrorCode::kBudgetTooSmall);
      std::this_thread::yield();
      continue;
    }
    threads.emplace_back([held = std::make_shared<Layer>(std::move(layer).value())]() mutable {
      test::expect_layer(*held, *packed_);
      held.reset();
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace qload
