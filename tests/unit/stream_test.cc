// LayerStream: every layer in order and right, within the budget, whatever the caller does.
#include "qload/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "qload/loader.h"
#include "tests/support/layered_model.h"

namespace qload {
namespace {

using test::PackedModel;
using test::TempDirectory;
using ::testing::HasSubstr;

constexpr uint64_t kStagingBytes = 4u << 20;

class LayerStreamTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = new TempDirectory();
    packed_ = new PackedModel(test::write_layered_model(*directory_));
  }
  static void TearDownTestSuite() {
    delete packed_;
    delete directory_;
  }
  LayerStreamTest() : model_(Model::open(packed_->path).value()) {}

  Loader make_loader(LoaderOptions options = {}) {
    options.staging_bytes = kStagingBytes;
    options.decode_threads = 2;
    return Loader::create(options).value();
  }

  /// Runs a stream to its end and checks every byte; returns the names that came in each pass.
  static std::vector<std::multiset<std::string>> run_through(LayerStream& stream) {
    std::vector<std::multiset<std::string>> passes;
    uint32_t last_group = 0;
    while (!stream.done()) {
      auto layer = stream.next();
      EXPECT_TRUE(layer.ok()) << (layer.ok() ? "" : layer.error().message());
      if (!layer.ok()) break;
      test::expect_layer(*layer, *packed_);
      if (layer->pass() >= passes.size()) {
        passes.emplace_back();
        last_group = 0;
      }
      EXPECT_GE(layer->group(), last_group);
      last_group = layer->group();
      for (const LayerTensor& tensor : layer->tensors()) {
        if (tensor.offset == 0) passes.back().insert(std::string(tensor.info->name));
      }
    }
    return passes;
  }

  std::multiset<std::string> all_names() const {
    std::multiset<std::string> names;
    for (const auto& [name, bytes] : packed_->tensors) names.insert(name);
    return names;
  }

  inline static TempDirectory* directory_ = nullptr;
  inline static PackedModel* packed_ = nullptr;
  Model model_;
};

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

TEST_F(LayerStreamTest, TooSmallABudgetNamesOneThatDoes) {
  Loader loader = make_loader();
  StreamOptions options;
  options.budget_bytes = kStagingBytes + (1u << 20);
  auto refused = loader.stream(model_, options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kBudgetTooSmall);
  const std::string message(refused.error().message());
  const size_t end = message.rfind(" bytes would do");
  ASSERT_NE(end, std::string::npos) << message;
  const size_t begin = message.rfind(' ', end - 1) + 1;
  const uint64_t needed = std::stoull(message.substr(begin, end - begin));
  options.budget_bytes = needed - 1;
  EXPECT_FALSE(loader.stream(model_, options).ok());
  options.budget_bytes = needed;
  auto stream = loader.stream(model_, options);
  ASSERT_TRUE(stream.ok()) << stream.error().message();
  EXPECT_EQ(run_through(*stream).size(), 1u);
}

TEST_F(LayerStreamTest, LargeTensorsComeByRows) {
  Loader loader = make_loader();
  StreamOptions options;
  options.part_bytes = 4u << 20;
  options.fill_resident = false;
  const TempDirectory directory;
  test::FixtureModel wide;
  test::FixtureTensor table;
  table.name = "table";
  table.data = test::gaussian_int8(20'000 * 1000, 9.0, 5);
  table.dtype = DType::kI8;
  table.shape = {20'000, 1000};
  table.chunk_bytes = 300'000;
  table.codec = CodecId::kLaneHuffman;
  wide.tensors.push_back(table);
  write_container(directory / "wide.qpk", wide);
  const Model model = Model::open(directory / "wide.qpk").value();
  options.budget_bytes = kStagingBytes + 2 * options.part_bytes;
  options.passes = 2;
  auto stream = loader.stream(model, options);
  ASSERT_TRUE(stream.ok()) << stream.error().message();
  EXPECT_EQ(stream->facts().parts_per_pass, 6u);
  for (uint32_t pass = 0; pass < 2; ++pass) {
    uint64_t row = 0;
    for (uint32_t part = 0; part < 6; ++part) {
      auto layer = stream->next();
      ASSERT_TRUE(layer.ok());
      EXPECT_EQ(layer->part(), part);
      EXPECT_EQ(layer->part_count(), 6u);
      ASSERT_EQ(layer->tensors().size(), 1u);
      const LayerTensor& rows = layer->tensors()[0];
      EXPECT_EQ(rows.first_row, row);
      EXPECT_EQ(rows.data.size(), rows.rows * 1000);
      EXPECT_LE(rows.data.size(), options.part_bytes);
      EXPECT_TRUE(std::equal(rows.data.begin(), rows.data.end(),
                             table.data.begin() + static_cast<std::ptrdiff_t>(rows.offset)));
      row += rows.rows;
    }
    EXPECT_EQ(row, 20'000u);
  }
}

TEST_F(LayerStreamTest, ResidentAndSkippedPatterns) {
  Loader loader = make_loader();
  StreamOptions options;
  options.budget_bytes = kStagingBytes + (8u << 20);
  options.fill_resident = false;
  const std::string_view resident[] = {"*.norm", "lm_head"};
  const std::string_view skip[] = {"embe?"};
  options.resident = resident;
  options.skip = skip;
  auto stream = loader.stream(model_, options);
  ASSERT_TRUE(stream.ok()) << stream.error().message();
  EXPECT_GE(stream->facts().resident_bytes, 1'000'000u + 6 * 1024);
  auto names = all_names();
  names.erase("embed");
  EXPECT_EQ(run_through(*stream), std::vector{names});

  const std::string_view absent[] = {"layers.*.bias"};
  options.resident = absent;
  auto refused = loader.stream(model_, options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr("layers.*.bias"));
}

TEST_F(LayerStreamTest, AnOrderOfTheCallers) {
  Loader loader = make_loader();
  StreamOptions options;
  options.budget_bytes = kStagingBytes + (8u << 20);
  options.passes = 2;
  const uint32_t order[] = {3, 1, 2};
  options.order = order;
  auto stream = loader.stream(model_, options);
  ASSERT_TRUE(stream.ok()) << stream.error().message();
  for (uint32_t i = 0; i < 6; ++i) {
    auto layer = stream->next();
    ASSERT_TRUE(layer.ok());
    EXPECT_EQ(layer->group(), order[i % 3]);
    EXPECT_EQ(layer->layer(), order[i % 3] - 1);
    test::expect_layer(*layer, *packed_);
  }
  EXPECT_TRUE(stream->done());
  const uint32_t twice[] = {1, 1};
  options.order = twice;
  EXPECT_EQ(loader.stream(model_, options).error().code(), ErrorCode::kInvalidArgument);
  const uint32_t beyond[] = {99};
  options.order = beyond;
  EXPECT_EQ(loader.stream(model_, options).error().code(), ErrorCode::kInvalidArgument);
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

TEST_F(LayerStreamTest, TensorsThatShareChunksWithoutEndAreRefused) {
  const TempDirectory directory;
  test::FixtureModel model;
  test::FixtureTensor original;
  original.name = "t0";
  original.data = test::gaussian_int8(200'000, 5.0, 3);
  original.dtype = DType::kI8;
  original.codec = CodecId::kLaneHuffman;
  model.tensors.push_back(original);
  for (uint32_t i = 1; i < 40; ++i) {
    test::FixtureTensor duplicate = original;
    duplicate.name = "t" + std::to_string(i);
    duplicate.duplicate_of = 0;
    model.tensors.push_back(std::move(duplicate));
  }
  write_container(directory / "m.qpk", model);
  const Model opened = Model::open(directory / "m.qpk").value();
  Loader loader = make_loader();
  StreamOptions options;
  options.budget_bytes = 64u << 20;
  auto refused = loader.stream(opened, options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnsupported);
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

TEST_F(LayerStreamTest, OptionsThatMeanNothing) {
  Loader loader = make_loader();
  StreamOptions options;
  EXPECT_EQ(loader.stream(model_, options).error().code(), ErrorCode::kInvalidArgument);
  options.budget_bytes = 64u << 20;
  options.part_bytes = 1000;
  EXPECT_EQ(loader.stream(model_, options).error().code(), ErrorCode::kInvalidArgument);
  options.part_bytes = 0;
  options.rates.storage_rate = -1;
  EXPECT_EQ(loader.stream(model_, options).error().code(), ErrorCode::kInvalidArgument);
  options.rates = {};
  options.load.on_progress = [](const Progress&) {};
  EXPECT_EQ(loader.stream(model_, options).error().code(), ErrorCode::kInvalidArgument);
  options.load = {};
  const std::string_view everything[] = {"*"};
  options.skip = everything;
  EXPECT_EQ(loader.stream(model_, options).error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(LayerStreamTest, CountsAgainstTheLoadersLimit) {
  LoaderOptions limited;
  limited.memory_bytes_max = 12u << 20;
  Loader loader = make_loader(limited);
  StreamOptions options;
  options.budget_bytes = kStagingBytes + (32u << 20);
  auto refused = loader.stream(model_, options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kBudgetTooSmall);
  options.budget_bytes = kStagingBytes + (5u << 20);
  auto stream = loader.stream(model_, options);
  ASSERT_TRUE(stream.ok()) << stream.error().message();
  EXPECT_EQ(run_through(*stream).size(), 1u);
}

}  // namespace
}  // namespace qload
