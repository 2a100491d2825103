// The cache and the expanded file on storage that fails, and on containers that are damaged.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <fstream>
#include <thread>

#include "tests/support/expert_suite.h"
#include "tests/support/failing_engine.h"

namespace qload {
namespace {

using test::as_views;
using test::expert_names;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CacheFaultTest : public test::ExpertSuite {
 protected:
  CacheFaultTest() : model_(open()) {}
  Loader failing_loader(test::ReadFate fate) {
    return test::make_failing_loader(loader_options(), std::move(fate));
  }
  const Model model_;
};

TEST_F(CacheFaultTest, ALoadThatFailsIsItsCallersErrorAndTheCacheStaysFit) {
  std::atomic<bool> failing = false;
  Loader loader = failing_loader([&](const Read&) { return failing ? EIO : 0; });
  TensorCache cache = make_cache(loader, model_, room_for(3));
  use(cache, 0, 0);
  failing = true;
  const Status failed = acquire(cache, 0, 1);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().code(), ErrorCode::kIo);
  EXPECT_THAT(std::string(failed.error().message()), HasSubstr("EIO"));
  EXPECT_EQ(cache.statistics().held_bytes, 0u);
  EXPECT_EQ(cache.statistics().used_bytes, kExpertBytes);
  use(cache, 0, 0);
  // A set of a unit that is there and one that cannot be loaded: neither is held.
  std::vector<std::string> names = expert_names(0, 0);
  for (const std::string& name : expert_names(0, 1)) names.push_back(name);
  EXPECT_EQ(cache.acquire(as_views(names)).error().code(), ErrorCode::kIo);
  EXPECT_EQ(cache.statistics().held_bytes, 0u);
  EXPECT_EQ(cache.release(names[0]).error().code(), ErrorCode::kInvalidArgument);
  failing = false;
  for (uint32_t expert = 0; expert < 6; ++expert) use(cache, 0, expert);
  EXPECT_EQ(cache.statistics().used_bytes, 3 * kExpertBytes);
}

TEST_F(CacheFaultTest, AHintThatFailsIsDropped) {
  std::atomic<bool> failing = true;
  Loader loader = failing_loader([&](const Read&) { return failing ? EIO : 0; });
  TensorCache cache = make_cache(loader, model_, room_for(3));
  const auto names = expert_names(3, 3);
  ASSERT_TRUE(cache.prefetch(as_views(names)).ok());
  while (cache.statistics().dropped_prefetches == 0) std::this_thread::yield();
  EXPECT_EQ(cache.statistics().used_bytes, 0u);
  failing = false;
  use(cache, 3, 3);
  EXPECT_EQ(cache.statistics().misses, 1u);
}

// Threads that wait for one load each try for themselves when it fails.
TEST_F(CacheFaultTest, ManyThreadsWhileSomeLoadsFail) {
  std::atomic<uint32_t> reads = 0;
  Loader loader = failing_loader([&](const Read&) { return ++reads % 5 == 0 ? EIO : 0; });
  TensorCache cache = make_cache(loader, model_, room_for(8));
  std::atomic<uint32_t> good = 0;
  std::atomic<uint32_t> bad = 0;
  std::vector<std::thread> threads;
  for (uint32_t number = 0; number < 4; ++number) {
    threads.emplace_back([&] {
      for (uint32_t access = 0; access < 200; ++access) {
        const auto hint = expert_names(0, (access + 1) % 12);
        EXPECT_TRUE(cache.prefetch(as_views(hint)).ok());
        const Status status = acquire(cache, 0, access % 12);
        if (status.ok()) {
          release(cache, 0, access % 12);
          ++good;
        } else {
          EXPECT_EQ(status.error().code(), ErrorCode::kIo) << status.error().message();
          ++bad;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good + bad, 800u);
  EXPECT_GT(good, 0u);
  EXPECT_GT(bad, 0u);
  while (cache.statistics().held_bytes > 0) std::this_thread::yield();
  EXPECT_LE(cache.statistics().used_bytes, cache.statistics().capacity_bytes);
}

/// A copy of the model with one stored byte of expert (0, 0)'s first tensor flipped.
class DamagedModelTest : public CacheFaultTest {
 protected:
  DamagedModelTest() : path_(directory_ / "damaged.qpk") {
    std::vector<std::byte> bytes = test::read_file(shared_model_->path);
    const internal::ModelState& state = model_.state();
    const Index& index = state.container.index;
    const auto number = index.find(expert_names(0, 0)[0]);
    bytes[index.chunks_of(index.tensors()[*number])[0].offset + 5] ^= std::byte{1};
    test::write_file(path_, bytes);
  }
  const test::TempDirectory directory_;
  const std::filesystem::path path_;
};

TEST_F(DamagedModelTest, OnlyTheDamagedExpertIsRefused) {
  const auto damaged = Model::open(path_);
  ASSERT_TRUE(damaged.ok());
  Loader loader = make_loader();
  TensorCache cache = make_cache(loader, *damaged, room_for(4));
  for (int round = 0; round < 2; ++round) {
    const Status refused = acquire(cache, 0, 0);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), ErrorCode::kCorrupt);
    EXPECT_THAT(std::string(refused.error().message()), HasSubstr("experts.0.gate.weight"));
    use(cache, 0, 1);
  }
}

TEST_F(DamagedModelTest, IsNotExpandedAndLeavesNothing) {
  const auto damaged = Model::open(path_);
  ASSERT_TRUE(damaged.ok());
  Loader loader = make_loader();
  const test::TempDirectory directory;
  const auto refused = loader.expand(*damaged, directory / "f");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kCorrupt);
  EXPECT_THAT(test::list_directory(directory.path()), IsEmpty());
}

TEST_F(CacheFaultTest, ExpandLeavesWhatWasThereWhenReadsFail) {
  std::atomic<bool> failing = false;
  Loader loader = failing_loader([&](const Read&) { return failing ? EIO : 0; });
  const test::TempDirectory directory;
  ASSERT_TRUE(loader.expand(model_, directory / "f").ok());
  failing = true;
  ExpandStatistics statistics;
  const auto refused =
      loader.expand(model_, directory / "f", {.rebuild = true, .statistics = &statistics});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kIo);
  EXPECT_TRUE(statistics.built) << "it was about to be";
  const auto weights = loader.expand(model_, directory / "f", {.verify = true});
  ASSERT_TRUE(weights.ok()) << weights.error().message();
  test::expect_weights(*weights, *shared_model_);
  EXPECT_THAT(test::list_directory(directory.path()), testing::ElementsAre("f"));
}

}  // namespace
}  // namespace qload
