// What loads do with the page cache, and loads out of it by the decode threads themselves.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "format/base/file.h"
#include "runtime/io/direct_io.h"
#include "tests/support/packed_model.h"

namespace qload {
namespace {

using test::PackedModel;
using test::TempDirectory;
using ::testing::HasSubstr;

class LoaderPageCacheTest : public ::testing::Test {
 protected:
  void SetUp() override { packed_ = test::pack_loader_fixture(directory_); }

  void fill_cache() const { std::ifstream(packed_.path).ignore(1 << 30); }
  bool cached() const {
    auto file = File::open(packed_.path);
    EXPECT_TRUE(file.ok());
    return file_is_cached(file->descriptor(), 0, file->bytes());
  }
  void drop() const {
    auto file = File::open(packed_.path);
    ASSERT_TRUE(file.ok());
    (void)fsync(file->descriptor());
    (void)posix_fadvise(file->descriptor(), 0, 0, POSIX_FADV_DONTNEED);
  }
  Status load(PageCache page_cache, const LoaderOptions& options = {}) {
    auto model = Model::open(packed_.path);
    if (!model.ok()) return std::move(model).error();
    auto loader = Loader::create(options);
    if (!loader.ok()) return std::move(loader).error();
    LoadOptions load;
    load.page_cache = page_cache;
    load.verify = Verify::kDecoded;
    load.statistics = &statistics_;
    auto weights = loader->load(*model, load);
    if (!weights.ok()) return std::move(weights).error();
    test::expect_weights(*weights, packed_);
    return Ok{};
  }

  TempDirectory directory_;
  PackedModel packed_;
  LoadStatistics statistics_;
};

TEST_F(LoaderPageCacheTest, ACachedFileIsReadByTheThreadsThatDecodeIt) {
  fill_cache();
  if (!cached()) GTEST_SKIP() << "the kernel does not say what is cached";
  for (const uint64_t staging_bytes : {1ull << 20, 32ull << 20}) {
    for (const uint32_t threads : {1u, 4u}) {
      LoaderOptions options;
      options.staging_bytes = staging_bytes;
      options.decode_threads = threads;
      ASSERT_TRUE(load(PageCache::kAuto, options).ok());
      EXPECT_TRUE(statistics_.cached_file);
      EXPECT_FALSE(statistics_.direct);
      EXPECT_GT(statistics_.cache_read_seconds, 0.0);
      EXPECT_EQ(statistics_.read_wait_seconds, 0.0);
      EXPECT_EQ(statistics_.bytes_read, statistics_.bytes_stored);
      EXPECT_GT(statistics_.bytes_read_in_place, 0u);
      EXPECT_EQ(statistics_.read_bytes, 0u);
    }
  }
  EXPECT_TRUE(cached());
}

TEST_F(LoaderPageCacheTest, BypassReadsAroundItAndLeavesItAlone) {
  fill_cache();
  if (!cached()) GTEST_SKIP() << "the kernel does not say what is cached";
  ASSERT_TRUE(load(PageCache::kBypass).ok());
  if (statistics_.direct_refused) GTEST_SKIP() << "O_DIRECT is not granted here";
  EXPECT_TRUE(statistics_.direct);
  EXPECT_TRUE(cached());
}

TEST_F(LoaderPageCacheTest, KeepFillsIt) {
  fill_cache();
  if (!cached()) GTEST_SKIP() << "the kernel does not say what is cached";
  drop();
  if (cached()) GTEST_SKIP() << "the file does not leave the page cache here";
  ASSERT_TRUE(load(PageCache::kKeep).ok());
  EXPECT_FALSE(statistics_.direct);
  EXPECT_TRUE(cached());
}

TEST_F(LoaderPageCacheTest, DropEmptiesIt) {
  drop();
  if (cached()) GTEST_SKIP() << "the file does not leave the page cache here";
  fill_cache();
  if (!cached()) GTEST_SKIP() << "the kernel does not say what is cached";
  ASSERT_TRUE(load(PageCache::kDrop).ok());
  EXPECT_TRUE(statistics_.cached_file);
  EXPECT_FALSE(cached());
}

TEST_F(LoaderPageCacheTest, KeepContradictsRequiredDirectReads) {
  LoaderOptions options;
  options.direct_io = DirectIo::kRequired;
  const Status status = load(PageCache::kKeep, options);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kInvalidArgument);
}

// Damage and truncation are found on this path, too.
TEST_F(LoaderPageCacheTest, ADamagedCachedFileIsAnError) {
  auto model = Model::open(packed_.path);
  ASSERT_TRUE(model.ok());
  auto loader = Loader::create();
  ASSERT_TRUE(loader.ok());
  const auto bytes = std::filesystem::file_size(packed_.path);
  {
    std::fstream file(packed_.path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(bytes / 3));
    file.write("damage damage damage", 20);
  }
  fill_cache();
  auto weights = loader->load(*model);
  ASSERT_FALSE(weights.ok());
  EXPECT_EQ(weights.error().code(), ErrorCode::kCorrupt);
  std::filesystem::resize_file(packed_.path, bytes / 4);
  fill_cache();
  weights = loader->load(*model);
  ASSERT_FALSE(weights.ok());
  EXPECT_EQ(weights.error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace qload
