// What a loader refuses: damage, other models than demanded, options and variables out of range.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "format/base/file.h"
#include "format/container/container_reader.h"
#include "qload/loader.h"
#include "tests/support/packed_model_suite.h"

namespace qload {
namespace {

using test::TempDirectory;
using ::testing::HasSubstr;

// Sets an environment variable for one scope.
class ScopedVariable {
 public:
  ScopedVariable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~ScopedVariable() { unsetenv(name_); }

 private:
  const char* name_;
};

class LoaderRefusalTest : public test::PackedModelSuite {
 protected:
  void SetUp() override {
    unsetenv("QLOAD_IO");
    unsetenv("QLOAD_DIRECT");
  }

  TempDirectory directory_;  // This test's own.
};

TEST_F(LoaderRefusalTest, ADamagedChunkIsNamed) {
  auto opened = File::open(packed_.path);
  ASSERT_TRUE(opened.ok());
  auto container = read_container(std::move(opened).value());
  ASSERT_TRUE(container.ok());
  const Index& index = container->index;
  const TensorRecord& tensor = index.tensors()[*index.find("model.layers.1.raw.weight")];
  const uint64_t offset = index.chunks_of(tensor)[1].offset + 5;
  auto bytes = test::read_file(packed_.path);
  bytes[offset] ^= std::byte{1};
  test::write_file(directory_ / "damaged.qpk", bytes);
  auto model = Model::open(directory_ / "damaged.qpk");
  ASSERT_TRUE(model.ok());
  auto loader = Loader::create();
  ASSERT_TRUE(loader.ok());
  auto weights = loader->load(*model);
  ASSERT_FALSE(weights.ok());
  EXPECT_EQ(weights.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(std::string(weights.error().message()), HasSubstr("model.layers.1.raw.weight"));
  const std::string_view others[] = {"lm_head.raw", "model.layers.0.attn.weight"};
  auto intact = loader->load(*model, others);
  ASSERT_TRUE(intact.ok()) << intact.error().message();
  test::expect_weights(*intact, packed_, false);
}

TEST_F(LoaderRefusalTest, AFileThatShrankIsAnError) {
  test::write_file(directory_ / "copy.qpk", test::read_file(packed_.path));
  auto copy = Model::open(directory_ / "copy.qpk");
  ASSERT_TRUE(copy.ok());
  const Model model = std::move(copy).value();
  const auto half = static_cast<off_t>(model.stored_bytes() / 2);
  ASSERT_EQ(truncate((directory_ / "copy.qpk").c_str(), half), 0);
  auto loader = Loader::create();
  ASSERT_TRUE(loader.ok());
  auto weights = loader->load(model);
  ASSERT_FALSE(weights.ok());
  EXPECT_EQ(weights.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(std::string(weights.error().message()), HasSubstr("truncated"));
}

TEST_F(LoaderRefusalTest, DemandsAreChecked) {
  const Model model = open();
  ModelOptions options;
  options.expected_digest = model.digest();
  EXPECT_TRUE(Model::open(packed_.path, options).ok());
  options.expected_digest.bytes[0] ^= 1;
  EXPECT_EQ(Model::open(packed_.path, options).error().code(), ErrorCode::kUntrusted);
  options = {};
  options.decoded_bytes_max = model.decoded_bytes() - 1;
  EXPECT_EQ(Model::open(packed_.path, options).error().code(), ErrorCode::kUnsupported);
  options.decoded_bytes_max = model.decoded_bytes();
  EXPECT_TRUE(Model::open(packed_.path, options).ok());
}

TEST(LoaderOptionsTest, OutOfRangeValuesAreRefused) {
  const auto refused = [](auto change) {
    LoaderOptions options;
    change(options);
    auto loader = Loader::create(options);
    return !loader.ok() && loader.error().code() == ErrorCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused([](LoaderOptions& o) { o.queue_depth = 0; }));
  EXPECT_TRUE(refused([](LoaderOptions& o) { o.queue_depth = 4097; }));
  EXPECT_TRUE(refused([](LoaderOptions& o) { o.decode_threads = 1025; }));
  EXPECT_TRUE(refused([](LoaderOptions& o) { o.staging_bytes = (1u << 20) - 1; }));
  EXPECT_TRUE(refused([](LoaderOptions& o) { o.read_bytes = 1; }));
}

TEST_F(LoaderRefusalTest, TheEnvironmentOverrides) {
  {
    const ScopedVariable io("QLOAD_IO", "mmap");
    auto loader = Loader::create();
    ASSERT_FALSE(loader.ok());
    EXPECT_THAT(std::string(loader.error().message()), HasSubstr("QLOAD_IO is \"mmap\""));
  }
  {
    const ScopedVariable kernel("QLOAD_KERNEL", "mmx");
    const auto loader = Loader::create();
    ASSERT_FALSE(loader.ok());
    EXPECT_EQ(loader.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(std::string(loader.error().message()), HasSubstr("QLOAD_KERNEL is \"mmx\""));
  }
  {
    const ScopedVariable direct("QLOAD_DIRECT", "yes");
    EXPECT_EQ(Loader::create().error().code(), ErrorCode::kInvalidArgument);
  }
  const Model model = open();
  const ScopedVariable io("QLOAD_IO", "pread");
  const ScopedVariable direct("QLOAD_DIRECT", "0");
  auto loader = Loader::create();
  ASSERT_TRUE(loader.ok());
  LoadStatistics statistics;
  LoadOptions options;
  options.statistics = &statistics;
  auto weights = loader->load(model, options);
  ASSERT_TRUE(weights.ok()) << weights.error().message();
  test::expect_weights(*weights, packed_);
  EXPECT_EQ(statistics.engine, IoBackend::kPread);
  EXPECT_FALSE(statistics.direct);
}

}  // namespace
}  // namespace qload
