// A stream whose reads fail: what came before is given out, then the error, then nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>

#include "tests/support/faulty_engine.h"
#include "tests/support/layered_model.h"

namespace qload {
namespace {

using ::testing::HasSubstr;

StreamOptions small_budget(uint32_t passes) {
  StreamOptions options;
  options.budget_bytes = (4u << 20) + (5u << 20);
  options.passes = passes;
  options.load.page_cache = PageCache::kBypass;  // Or the decode threads would read.
  return options;
}

TEST(StreamFault, AReadThatFailsEndsTheStreamAndNotTheLoader) {
  const test::TempDirectory directory;
  const test::PackedModel packed = test::write_layered_model(directory);
  const Model model = Model::open(packed.path).value();
  LoaderOptions loader_options;
  loader_options.staging_bytes = 4u << 20;
  loader_options.decode_threads = 2;
  for (uint64_t victim = 0; victim < 40; victim += 3) {
    std::atomic<uint64_t> count = 0;
    std::atomic<bool> failing = true;
    Loader loader = test::make_faulty_loader(
        [&](uint64_t, const Read&) { return failing && count++ == victim ? EIO : 0; },
        loader_options);
    auto stream = loader.stream(model, small_budget(2));
    uint32_t given = 0;
    if (stream.ok()) {
      std::optional<Error> error;
      while (!error) {
        ASSERT_FALSE(stream->done()) << "read " << victim << " never failed";
        auto layer = stream->next();
        if (!layer.ok()) {
          error = layer.error();
          break;
        }
        test::expect_layer(*layer, packed);
        ++given;
      }
      EXPECT_EQ(error->code(), ErrorCode::kIo);
      EXPECT_THAT(std::string(error->message()), HasSubstr("EIO"));
      EXPECT_EQ(stream->next().error().code(), ErrorCode::kIo) << "again";
    } else {
      EXPECT_EQ(stream.error().code(), ErrorCode::kIo) << "while loading what stays resident";
    }
    failing = false;
    auto weights = loader.load(model);
    ASSERT_TRUE(weights.ok()) << weights.error().message();
    test::expect_weights(*weights, packed);
    auto again = loader.stream(model, small_budget(1));
    ASSERT_TRUE(again.ok());
    while (!again->done()) {
      auto layer = again->next();
      ASSERT_TRUE(layer.ok()) << layer.error().message();
      test::expect_layer(*layer, packed);
    }
  }
}

// The second part of a stream may be posted before the first, and with little staging memory be the
// next in line for it; the first must not wait behind it. Each stream is a new chance for that.
TEST(StreamFault, APartThatComesEarlyDoesNotStandInTheWay) {
  const test::TempDirectory directory;
  const test::PackedModel packed = test::write_layered_model(directory);
  const Model model = Model::open(packed.path).value();
  LoaderOptions options;
  options.staging_bytes = 1u << 20;
  options.io_backend = IoBackend::kPread;
  Loader loader = Loader::create(options).value();
  StreamOptions stream_options = small_budget(1);
  stream_options.budget_bytes = (1u << 20) + (20u << 20);
  stream_options.fill_resident = false;
  for (int i = 0; i < 100; ++i) {
    auto stream = loader.stream(model, stream_options);
    ASSERT_TRUE(stream.ok()) << stream.error().message();
    while (!stream->done()) ASSERT_TRUE(stream->next().ok());
  }
}

TEST(StreamFault, DamageNamesTheTensor) {
  const test::TempDirectory directory;
  const test::PackedModel packed = test::write_layered_model(directory);
  std::vector<std::byte> bytes = test::read_file(packed.path);
  uint64_t at = 0;
  {
    const Model model = Model::open(packed.path).value();
    const Index& index = model.state().container.index;
    const TensorRecord& tensor = index.tensors()[*index.find("layers.3.wide")];
    at = index.chunks_of(tensor)[1].offset + 100;
  }
  bytes[at] ^= std::byte{1};
  test::write_file(packed.path, bytes);
  const Model model = Model::open(packed.path).value();
  LoaderOptions options;
  options.staging_bytes = 4u << 20;
  Loader loader = Loader::create(options).value();
  StreamOptions stream_options = small_budget(1);
  stream_options.fill_resident = false;
  auto stream = loader.stream(model, stream_options);
  ASSERT_TRUE(stream.ok());
  Result<Layer> layer = stream->next();
  uint32_t given = 0;
  for (; layer.ok(); layer = stream->next()) ++given;
  EXPECT_EQ(given, 4u) << "the group before the layers, and layers 0 to 2";
  EXPECT_EQ(layer.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(std::string(layer.error().message()), HasSubstr("layers.3.wide"));
}

}  // namespace
}  // namespace qload
