// Expanded files: made, taken again, and made anew when they do not match.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

#include "format/base/checksum.h"
#include "format/container/container_reader.h"
#include "qload/loader.h"
#include "runtime/expand/expanded_file.h"
#include "tests/support/container_fixtures.h"
#include "tests/support/expert_model.h"
#include "tests/support/packed_model_suite.h"

namespace qload {
namespace {

using internal::kExpandedHeaderBytes;
using test::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ExpandTest : public test::PackedModelSuite {
 protected:
  ExpandTest() : model_(open()), loader_(make_loader()), path_(directory_ / "model.qxp") {}

  static Loader make_loader() {
    LoaderOptions options;
    options.decode_threads = 2;
    options.ignore_cgroup = true;
    auto loader = Loader::create(options);
    EXPECT_TRUE(loader.ok());
    return std::move(loader).value();
  }
  Result<Weights> expand(ExpandOptions options = {}) {
    options.statistics = &statistics_;
    return loader_.expand(model_, path_, options);
  }
  /// Expands, checks every byte, and says why the file was built or that it was "complete".
  std::string reason(ExpandOptions options = {}) {
    const auto weights = expand(options);
    EXPECT_TRUE(weights.ok()) << (weights.ok() ? "" : weights.error().message());
    if (!weights.ok()) return "";
    test::expect_weights(*weights, packed_);
    EXPECT_EQ(statistics_.built, std::string_view("complete") != statistics_.reason);
    return statistics_.reason;
  }
  void write_at(uint64_t offset, std::span<const std::byte> bytes) {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    ASSERT_TRUE(file.good());
  }
  void flip(uint64_t offset) {
    std::vector<std::byte> bytes = test::read_file(path_);
    ASSERT_LT(offset, bytes.size());
    const std::byte flipped = bytes[offset] ^ std::byte{1};
    write_at(offset, std::span(&flipped, 1));
  }

  const TempDirectory directory_;
  const Model model_;
  Loader loader_;
  const std::filesystem::path path_;
  ExpandStatistics statistics_;
};

TEST_F(ExpandTest, BuiltOnceAndMappedFromThenOn) {
  EXPECT_EQ(reason(), "absent");
  EXPECT_GT(statistics_.bytes_read, 0u);
  EXPECT_EQ(statistics_.file_bytes, std::filesystem::file_size(path_));
  EXPECT_GE(statistics_.file_bytes, model_.decoded_bytes() + kExpandedHeaderBytes);
  EXPECT_EQ(reason(), "complete");
  EXPECT_EQ(statistics_.bytes_read, 0u);
  EXPECT_EQ(reason({.verify = true}), "complete");
  EXPECT_EQ(reason({.rebuild = true}), "asked for");
  EXPECT_THAT(test::list_directory(directory_.path()), ElementsAre("model.qxp"));
}

TEST_F(ExpandTest, TensorsLieWhereTheSpecificationSays) {
  const auto weights = expand();
  ASSERT_TRUE(weights.ok()) << weights.error().message();
  const std::vector<std::byte> file = test::read_file(path_);
  uint64_t end = kExpandedHeaderBytes;
  std::vector<bool> covered(file.size());
  for (const TensorInfo& info : model_.tensors()) {
    const uint64_t alignment = info.bytes >= 65536 ? 4096 : 64;
    const uint64_t offset = (end + alignment - 1) / alignment * alignment;
    end = offset + info.bytes;
    ASSERT_LE(end, file.size());
    const auto& expected = packed_.tensors.at(std::string(info.name));
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(),
                           file.begin() + static_cast<std::ptrdiff_t>(offset)))
        << info.name;
    std::fill_n(covered.begin() + static_cast<std::ptrdiff_t>(offset), info.bytes, true);
  }
  EXPECT_EQ(file.size(), (end + 4095) / 4096 * 4096);
  for (uint64_t i = kExpandedHeaderBytes; i < file.size(); ++i) {
    ASSERT_TRUE(covered[i] || file[i] == std::byte{0}) << "padding at " << i << " is not zero";
  }
}

TEST_F(ExpandTest, TheSameModelGivesTheSameFile) {
  ASSERT_EQ(reason(), "absent");
  const auto first = test::read_file(path_);
  ASSERT_EQ(reason({.rebuild = true}), "asked for");
  EXPECT_TRUE(first == test::read_file(path_));
}

TEST_F(ExpandTest, WeightsOutliveLoaderAndFile) {
  std::optional<Weights> weights;
  {
    Loader loader = make_loader();
    weights.emplace(loader.expand(model_, path_).value());
  }
  ASSERT_TRUE(std::filesystem::remove(path_));
  test::expect_weights(*weights, packed_);
}

TEST_F(ExpandTest, WhatDoesNotMatchIsBuiltAnew) {
  ASSERT_EQ(reason(), "absent");
  constexpr uint32_t kZero = 0;
  const auto zero = std::as_bytes(std::span(&kZero, 1));
  write_at(offsetof(internal::ExpandedHeader, mark), zero);
  EXPECT_EQ(reason(), "incomplete");
  write_at(offsetof(internal::ExpandedHeader, version), zero);
  EXPECT_EQ(reason(), "other version");
  flip(offsetof(internal::ExpandedHeader, model_digest) + 8);
  EXPECT_EQ(reason(), "damaged header");
  flip(offsetof(internal::ExpandedHeader, checksum));
  EXPECT_EQ(reason(), "damaged header");
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 1);
  EXPECT_EQ(reason(), "other size");
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) + 1);
  EXPECT_EQ(reason(), "other size");
  std::filesystem::resize_file(path_, kExpandedHeaderBytes - 1);
  EXPECT_EQ(reason(), "incomplete");
  std::filesystem::resize_file(path_, 0);
  EXPECT_EQ(reason(), "incomplete");
  EXPECT_EQ(reason(), "complete");
  EXPECT_THAT(test::list_directory(directory_.path()), ElementsAre("model.qxp"));
}

TEST_F(ExpandTest, ADamagedTensorIsFoundWhenAskedFor) {
  ASSERT_EQ(reason(), "absent");
  flip(kExpandedHeaderBytes + 12345);
  EXPECT_TRUE(expand().ok());
  EXPECT_FALSE(statistics_.built);
  EXPECT_EQ(reason({.verify = true}), "damaged tensor");
  EXPECT_EQ(reason({.verify = true}), "complete");
}

TEST_F(ExpandTest, AnotherModelReplacesTheFile) {
  const TempDirectory other_directory;
  const auto packed = test::pack_expert_model(other_directory, {.layers = 1, .experts = 2});
  const auto other = Model::open(packed.path);
  ASSERT_TRUE(other.ok());
  const auto old = expand();
  ASSERT_TRUE(old.ok());
  ExpandStatistics statistics;
  const auto weights = loader_.expand(*other, path_, {.statistics = &statistics});
  ASSERT_TRUE(weights.ok()) << weights.error().message();
  EXPECT_STREQ(statistics.reason, "other model");
  test::expect_weights(*weights, packed);
  test::expect_weights(*old, packed_);
  EXPECT_EQ(reason(), "other model");
}

// The digest does not know the order in which tensors load, and the file does.
TEST_F(ExpandTest, AnotherPackingOfTheSameModelMatchesWhenItsLayoutDoes) {
  ASSERT_EQ(reason(), "absent");
  const TempDirectory other_directory;
  const auto packed = test::pack_loader_fixture(other_directory, 1u << 20);
  const auto other = Model::open(packed.path);
  ASSERT_TRUE(other.ok());
  ASSERT_EQ(other->digest(), model_.digest());
  ExpandStatistics statistics;
  const auto weights = loader_.expand(*other, path_, {.statistics = &statistics});
  ASSERT_TRUE(weights.ok());
  EXPECT_FALSE(statistics.built) << statistics.reason;
  test::expect_weights(*weights, packed_);
}

TEST_F(ExpandTest, OtherFilesAreNotReplaced) {
  test::write_file(path_, "somebody's thesis");
  for (const bool rebuild : {false, true}) {
    const auto refused = expand({.rebuild = rebuild});
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(std::string(refused.error().message()), HasSubstr("is no expanded file"));
  }
  EXPECT_EQ(test::read_file(path_), test::to_bytes("somebody's thesis"));
  // Images of disks begin so.
  const std::vector<std::byte> zeros(2 * kExpandedHeaderBytes);
  test::write_file(path_, zeros);
  EXPECT_EQ(expand().error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(test::read_file(path_), zeros);
  EXPECT_EQ(loader_.expand(model_, directory_.path()).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(loader_.expand(model_, directory_ / "absent" / "f").error().code(),
            ErrorCode::kNotFound);
}

// Every checksum is right and a tensor is not what its digest says: the file would serve for the
// model that the digest belongs to.
TEST_F(ExpandTest, AContainerThatContradictsItsDigestsMakesNoFile) {
  const TempDirectory other;
  const auto path = other / "poison.qpk";
  std::vector<std::byte> bytes = test::read_file(packed_.path);
  {
    File file = File::open(packed_.path).value();
    const Container container = read_container(std::move(file)).value();
    test::EditableIndex index(container);
    const auto raw = std::ranges::find_if(index.chunks, [&](const ChunkRecord& chunk) {
      return chunk.stored_bytes > 1000 && container.index.form(chunk).stored_raw();
    });
    ASSERT_NE(raw, index.chunks.end());
    bytes[raw->offset + 77] ^= std::byte{1};
    const auto stored = std::span(bytes).subspan(raw->offset, raw->stored_bytes);
    raw->stored_checksum = checksum64(stored);
    raw->decoded_checksum = raw->stored_checksum;
    const std::vector<std::byte> block = index.seal();
    std::ranges::copy(block,
                      bytes.begin() + static_cast<std::ptrdiff_t>(index.superblock.index_offset));
    std::ranges::copy(std::as_bytes(std::span(&index.superblock, 1)), bytes.begin());
    test::write_file(path, bytes);
  }
  const auto poisoned = Model::open(path);
  ASSERT_TRUE(poisoned.ok()) << poisoned.error().message();
  ASSERT_EQ(poisoned->digest(), model_.digest());
  const auto refused = loader_.expand(*poisoned, path_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr("another digest"));
  EXPECT_THAT(test::list_directory(directory_.path()), IsEmpty());
}

TEST_F(ExpandTest, ProgressCountsTheWholeModel) {
  ExpandOptions options;
  std::vector<Progress> seen;
  options.load.on_progress = [&](const Progress& progress) { seen.push_back(progress); };
  ASSERT_EQ(reason(options), "absent");
  ASSERT_FALSE(seen.empty());
  EXPECT_TRUE(std::ranges::is_sorted(seen, {}, &Progress::bytes_decoded));
  for (const Progress& progress : seen) EXPECT_EQ(progress.bytes_total, model_.decoded_bytes());
  EXPECT_EQ(seen.back().bytes_decoded, model_.decoded_bytes());
  seen.clear();
  ASSERT_EQ(reason(options), "complete");
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].bytes_decoded, model_.decoded_bytes());
}

TEST_F(ExpandTest, CancelLeavesNothing) {
  ExpandOptions options;
  std::stop_source stop;
  options.load.stop = stop.get_token();
  options.load.on_progress = [&](const Progress&) { stop.request_stop(); };
  const auto cancelled = expand(options);
  ASSERT_FALSE(cancelled.ok());
  EXPECT_EQ(cancelled.error().code(), ErrorCode::kCancelled);
  EXPECT_THAT(test::list_directory(directory_.path()), IsEmpty());
  options.load.on_progress = [](const Progress&) { throw 1; };
  options.load.stop = {};
  ASSERT_EQ(reason(), "absent");
  EXPECT_EQ(expand(options).error().code(), ErrorCode::kCancelled);
  options.load.on_progress = {};
  options.load.stop = stop.get_token();
  options.verify = true;
  EXPECT_EQ(expand(options).error().code(), ErrorCode::kCancelled);
}

TEST_F(ExpandTest, AFileSizeLimitIsNoSpaceAndNoSignal) {
  struct rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  struct rlimit tight = before;
  tight.rlim_cur = 1u << 20;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  const auto refused = expand();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kNoSpace);
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr("RLIMIT_FSIZE"));
  EXPECT_THAT(test::list_directory(directory_.path()), IsEmpty());
}

TEST_F(ExpandTest, AFullDiskIsNoSpaceAndLeavesWhatWasThere) {
  const TempDirectory mount_point;
  if (mount("tmpfs", mount_point.path().c_str(), "tmpfs", 0, "size=4m") != 0) {
    GTEST_SKIP() << "a tmpfs may not be mounted here";
  }
  const TempDirectory other_directory;
  const auto packed = test::pack_expert_model(other_directory, {.layers = 1, .experts = 2});
  const auto small = Model::open(packed.path);
  const std::filesystem::path path = mount_point / "model.qxp";
  const bool small_fits = loader_.expand(*small, path).ok();
  const auto refused = loader_.expand(model_, path);
  const auto left = test::list_directory(mount_point.path());
  const auto kept = loader_.expand(*small, path, {.statistics = &statistics_});
  const bool kept_is_right = kept.ok();
  if (kept_is_right) test::expect_weights(*kept, packed);
  EXPECT_EQ(umount2(mount_point.path().c_str(), MNT_DETACH), 0);
  EXPECT_TRUE(small_fits);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kNoSpace) << refused.error().message();
  EXPECT_THAT(left, ElementsAre("model.qxp"));
  EXPECT_TRUE(kept_is_right);
  EXPECT_FALSE(statistics_.built);
}

TEST_F(ExpandTest, MemoryIsBounded) {
  LoaderOptions options;
  options.decode_threads = 1;
  options.staging_bytes = 1u << 20;
  options.ignore_cgroup = true;
  options.memory_bytes_max = 8u << 20;
  auto tight = Loader::create(options);
  ASSERT_TRUE(tight.ok());
  EXPECT_EQ(tight->expand(model_, path_).error().code(), ErrorCode::kBudgetTooSmall);
  EXPECT_THAT(test::list_directory(directory_.path()), IsEmpty());
  options.memory_bytes_max = 40u << 20;
  auto enough = Loader::create(options);
  ASSERT_TRUE(enough.ok());
  for (int round = 0; round < 2; ++round) {
    const auto weights = enough->expand(model_, path_, {.rebuild = true});
    ASSERT_TRUE(weights.ok()) << weights.error().message();
    test::expect_weights(*weights, packed_);
  }
}

TEST_F(ExpandTest, ThreadsAtOnce) {
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([&, rebuild = number % 2 == 0] {
      for (int round = 0; round < 3; ++round) {
        const auto weights = loader_.expand(model_, path_, {.rebuild = rebuild});
        if (!weights.ok()) continue;
        test::expect_weights(*weights, packed_);
        ++good;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 12);
  EXPECT_THAT(test::list_directory(directory_.path()), ElementsAre("model.qxp"));
}

// Each child has a Loader of its own, made after the fork.
TEST(ExpandProcessesTest, ProcessesAtOnce) {
  const TempDirectory directory;
  const auto packed = test::pack_expert_model(directory, {.layers = 2, .experts = 8});
  std::vector<pid_t> children;
  for (int number = 0; number < 4; ++number) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto model = Model::open(packed.path);
      auto loader = Loader::create({.decode_threads = 1, .ignore_cgroup = true});
      if (!model.ok() || !loader.ok()) _exit(2);
      for (int round = 0; round < 10; ++round) {
        const auto weights =
            loader->expand(*model, directory / "model.qxp", {.rebuild = number > 0});
        if (!weights.ok()) _exit(3);
        for (const TensorView& view : weights->tensors()) {
          if (!std::ranges::equal(view.data, packed.tensors.at(std::string(view.info->name)))) {
            _exit(4);
          }
        }
      }
      _exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
  EXPECT_THAT(test::list_directory(directory.path()),
              ElementsAre("experts.qpk", "experts.safetensors", "model.qxp"));
}

}  // namespace
}  // namespace qload
