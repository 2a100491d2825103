// LayerStream: what its options choose, and what they refuse.
#include "qload/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/layered_model_suite.h"

namespace qload {
namespace {

using test::kStagingBytes;
using test::TempDirectory;
using ::testing::HasSubstr;

class StreamOptionsTest : public test::LayeredModelSuite {};

TEST_F(StreamOptionsTest, TooSmallABudgetNamesOneThatDoes) {
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

TEST_F(StreamOptionsTest, LargeTensorsComeByRows) {
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

TEST_F(StreamOptionsTest, ResidentAndSkippedPatterns) {
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

TEST_F(StreamOptionsTest, AnOrderOfTheCallers) {
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

TEST_F(StreamOptionsTest, TensorsThatShareChunksWithoutEndAreRefused) {
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

TEST_F(StreamOptionsTest, OptionsThatMeanNothing) {
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
  LoadStatistics statistics;
  options.load.statistics = &statistics;
  EXPECT_EQ(loader.stream(model_, options).error().code(), ErrorCode::kInvalidArgument);
  options.load = {};
  const std::string_view everything[] = {"*"};
  options.skip = everything;
  EXPECT_EQ(loader.stream(model_, options).error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(StreamOptionsTest, ProgressIsOfWhatStaysAndCancelsIt) {
  Loader loader = make_loader();
  StreamOptions options;
  options.budget_bytes = 64u << 20;
  uint64_t calls = 0;
  Progress last;
  options.load.on_progress = [&](const Progress& progress) {
    ++calls;
    last = progress;
  };
  auto stream = loader.stream(model_, options);
  ASSERT_TRUE(stream.ok()) << stream.error().message();
  EXPECT_GE(calls, 1u);
  EXPECT_EQ(last.bytes_decoded, last.bytes_total);
  EXPECT_GT(last.bytes_total, 0u);
  EXPECT_LE(last.bytes_total, stream->facts().resident_bytes);
  calls = 0;
  while (!stream->done()) ASSERT_TRUE(stream->next().ok());
  EXPECT_EQ(calls, 0u) << "no thread but the caller's may call it";

  std::stop_source stop;
  options.load.stop = stop.get_token();
  options.load.on_progress = [&](const Progress&) { stop.request_stop(); };
  EXPECT_EQ(loader.stream(model_, options).error().code(), ErrorCode::kCancelled);
}

TEST_F(StreamOptionsTest, CountsAgainstTheLoadersLimit) {
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
