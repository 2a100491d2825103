// TensorCache on one thread: hits, room, holds, hints, refusals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "bench/experts/ideal_lru.h"
#include "bench/experts/zipf.h"
#include "tests/support/counting_hook.h"
#include "tests/support/expert_suite.h"

namespace qload {
namespace {

using test::as_views;
using test::expert_names;
using ::testing::HasSubstr;

class TensorCacheTest : public test::ExpertSuite {
 protected:
  TensorCacheTest() : model_(open()), loader_(make_loader()) {}
  TensorCache make(const CacheOptions& options) { return make_cache(loader_, model_, options); }
  std::string refusal(const CacheOptions& options) {
    auto cache = loader_.cache(model_, options);
    EXPECT_FALSE(cache.ok());
    if (cache.ok()) return "";
    EXPECT_EQ(cache.error().code(), ErrorCode::kBudgetTooSmall);
    return std::string(cache.error().message());
  }
  /// Waits until all hints have been dealt with.
  static void wait_for_hints(const TensorCache& cache, uint64_t count) {
    while (true) {
      const CacheStatistics statistics = cache.statistics();
      if (statistics.prefetches + statistics.dropped_prefetches >= count) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  const Model model_;
  Loader loader_;
};

TEST_F(TensorCacheTest, HitsAreThoseOfAnIdealCache) {
  for (const uint64_t experts : {20u, 128u}) {
    TensorCache cache = make(room_for(experts));
    bench::IdealLru ideal(experts * kExpertBytes);
    bench::ZipfSource zipf(kExperts, 1.0, 5);
    for (uint32_t access = 0; access < 1600; ++access) {
      const uint32_t layer = access % kLayers;
      const uint32_t expert = zipf.next();
      use(cache, layer, expert);
      ideal.access({layer * kExperts + expert, kExpertBytes});
      const CacheStatistics statistics = cache.statistics();
      ASSERT_EQ(statistics.hits, ideal.hits()) << access;
      ASSERT_EQ(statistics.misses, ideal.misses()) << access;
      ASSERT_LE(statistics.used_bytes, statistics.capacity_bytes);
    }
    const CacheStatistics statistics = cache.statistics();
    EXPECT_EQ(statistics.capacity_bytes, experts * kExpertBytes);
    EXPECT_EQ(statistics.evictions, statistics.misses - experts);
    EXPECT_EQ(statistics.bytes_decoded, statistics.misses * 9000);
    EXPECT_GT(statistics.bytes_read, 0u);
    EXPECT_EQ(statistics.held_bytes, 0u);
    EXPECT_EQ(statistics.waited_hits, 0u);
  }
}

// The experts of a token at once: all or none.
TEST_F(TensorCacheTest, SetsOfExperts) {
  TensorCache cache = make(room_for(16));
  bench::IdealLru ideal(16 * kExpertBytes);
  bench::ZipfSource zipf(kExperts, 0.8, 9);
  for (uint32_t access = 0; access < 400; ++access) {
    std::vector<std::string> names;
    std::vector<bench::IdealLru::Item> items;
    for (const uint32_t expert : zipf.next_set(4)) {
      for (const std::string& name : expert_names(access % kLayers, expert)) names.push_back(name);
      items.push_back({access % kLayers * kExperts + expert, kExpertBytes});
    }
    const auto views = cache.acquire(as_views(names));
    ASSERT_TRUE(views.ok()) << views.error().message();
    ASSERT_EQ(views->size(), names.size());
    for (size_t i = 0; i < names.size(); ++i) ASSERT_EQ((*views)[i].info->name, names[i]);
    ASSERT_TRUE(right(*views));
    ASSERT_TRUE(cache.release(as_views(names)).ok());
    ideal.access(items);
    ASSERT_EQ(cache.statistics().misses, ideal.misses()) << access;
  }
  EXPECT_EQ(cache.statistics().hits, ideal.hits());
}

TEST_F(TensorCacheTest, OneTensorBringsItsExpert) {
  TensorCache cache = make(room_for(2));
  const auto names = expert_names(1, 2);
  const auto gate = cache.acquire(names[0]);
  ASSERT_TRUE(gate.ok()) << gate.error().message();
  EXPECT_TRUE(right(std::span(&*gate, 1)));
  const auto up = cache.acquire(names[1]);
  ASSERT_TRUE(up.ok());
  EXPECT_TRUE(right(std::span(&*up, 1)));
  EXPECT_EQ(cache.statistics().misses, 1u);
  EXPECT_EQ(cache.statistics().hits, 1u);
  EXPECT_EQ(cache.statistics().held_bytes, kExpertBytes);
  EXPECT_TRUE(cache.release(names[0]).ok());
  EXPECT_EQ(cache.statistics().held_bytes, kExpertBytes);
  EXPECT_TRUE(cache.release(names[1]).ok());
  EXPECT_EQ(cache.statistics().held_bytes, 0u);
}

TEST_F(TensorCacheTest, UnitsOfOtherKinds) {
  CacheOptions options = room_for(300);
  options.unit = CacheUnit::kTensor;
  TensorCache tensors = make(options);
  use(tensors, 0, 0);
  EXPECT_EQ(tensors.statistics().misses, 3u);
  EXPECT_EQ(tensors.statistics().bytes_decoded, 9000u);
  options.unit = CacheUnit::kLayer;
  TensorCache layers = make(options);
  use(layers, 3, 0);
  use(layers, 3, 63);
  EXPECT_EQ(layers.statistics().misses, 1u);
  EXPECT_EQ(layers.statistics().hits, 1u);
  EXPECT_EQ(layers.statistics().bytes_decoded, 64u * 9000 + 100);
}

TEST_F(TensorCacheTest, ABudgetThatIsTooSmallNamesTheNumberThatWouldDo) {
  CacheOptions options = room_for(1);
  make(options);
  options.budget_bytes -= 1;
  EXPECT_THAT(refusal(options),
              HasSubstr("expected at least " + std::to_string(kStagingBytes + kExpertBytes)));
  options.budget_bytes = 0;
  EXPECT_THAT(refusal(options), HasSubstr("budget_bytes is 0"));
  options = room_for(1);
  options.unit = CacheUnit::kLayer;
  EXPECT_THAT(refusal(options), HasSubstr("expected at least"));
}

TEST_F(TensorCacheTest, TheLoadersLimitCountsTheBudget) {
  LoaderOptions limited = loader_options();
  limited.memory_bytes_max = 8u << 20;
  Loader loader = make_loader(limited);
  CacheOptions options = room_for(500);
  EXPECT_EQ(loader.cache(model_, options).error().code(), ErrorCode::kBudgetTooSmall);
  options = room_for(200);
  {
    TensorCache cache = make_cache(loader, model_, options);
    EXPECT_EQ(loader.cache(model_, room_for(300)).error().code(), ErrorCode::kBudgetTooSmall)
        << "a cache that is alive counts";
  }
  EXPECT_TRUE(loader.cache(model_, room_for(300)).ok());
}

TEST_F(TensorCacheTest, MemoryOfAHook) {
  test::CountingHook hook;
  CacheOptions options = room_for(4);
  options.load.allocator = hook.allocator(kCpuWritable | kNoDirectIo);
  {
    TensorCache cache = make(options);
    use(cache, 0, 1);
    use(cache, 7, 63);
    EXPECT_EQ(hook.allocated, 4 * kExpertBytes);
  }
  EXPECT_EQ(hook.released, hook.allocated);
  options.load.allocator.release = nullptr;
  EXPECT_EQ(loader_.cache(model_, options).error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(TensorCacheTest, ABudgetBeyondTheModelTakesNoMoreThanTheModel) {
  TensorCache cache = make(room_for(100'000));
  EXPECT_EQ(cache.statistics().capacity_bytes, kLayers * (kExperts * kExpertBytes + 4096));
}

TEST_F(TensorCacheTest, HoldersThatFillTheBudgetAreAnErrorAndNoDeadlock) {
  TensorCache cache = make(room_for(3));
  ASSERT_TRUE(acquire(cache, 0, 0).ok());
  ASSERT_TRUE(acquire(cache, 0, 1).ok());
  use(cache, 0, 2);
  std::vector<std::string> names = expert_names(0, 3);
  for (const std::string& name : expert_names(0, 4)) names.push_back(name);
  const auto views = cache.acquire(as_views(names));
  ASSERT_FALSE(views.ok());
  EXPECT_EQ(views.error().code(), ErrorCode::kBudgetTooSmall);
  EXPECT_THAT(std::string(views.error().message()),
              HasSubstr("need 24576 bytes beside 24576 that are held, and the cache has 36864"));
  EXPECT_EQ(cache.statistics().held_bytes, 2 * kExpertBytes) << "none of the set is held";
  use(cache, 0, 2);
  EXPECT_EQ(cache.statistics().hits, 1u) << "and nothing was evicted for it";
  release(cache, 0, 0);
  EXPECT_TRUE(cache.acquire(as_views(names)).ok());
}

TEST_F(TensorCacheTest, WrongNames) {
  TensorCache cache = make(room_for(3));
  const std::string_view absent[] = {"model.layers.0.norm.weight", "nobody"};
  EXPECT_EQ(cache.acquire(absent).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(cache.prefetch(absent).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(cache.release(absent).error().code(), ErrorCode::kNotFound);
  const std::string_view twice[] = {absent[0], absent[0]};
  EXPECT_EQ(cache.acquire(twice).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(cache.release(absent[0]).error().code(), ErrorCode::kInvalidArgument);
  ASSERT_TRUE(cache.acquire(absent[0]).ok());
  const std::string_view one_held[] = {absent[0], "model.layers.1.norm.weight"};
  EXPECT_EQ(cache.release(one_held).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(cache.release(absent[0]).ok()) << "the release before has released nothing";
  EXPECT_EQ(cache.release(absent[0]).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(cache.acquire(std::span<const std::string_view>()).ok());
  EXPECT_EQ(cache.statistics().misses, 1u);
}

TEST_F(TensorCacheTest, HintsBecomeHits) {
  TensorCache cache = make(room_for(4));
  for (uint32_t expert = 0; expert < 4; ++expert) {
    const auto names = expert_names(2, expert);
    ASSERT_TRUE(cache.prefetch(as_views(names)).ok());
  }
  wait_for_hints(cache, 4);
  for (uint32_t expert = 0; expert < 4; ++expert) use(cache, 2, expert);
  const CacheStatistics statistics = cache.statistics();
  EXPECT_EQ(statistics.hits, 4u);
  EXPECT_EQ(statistics.misses, 0u);
  EXPECT_EQ(statistics.prefetches, 4u);
  EXPECT_EQ(statistics.dropped_prefetches, 0u);
}

TEST_F(TensorCacheTest, HintsThatDoNotFitAreDropped) {
  TensorCache cache = make(room_for(3));
  ASSERT_TRUE(acquire(cache, 0, 0).ok());
  std::vector<std::string> names;
  for (uint32_t expert = 1; expert < 5; ++expert) {
    for (const std::string& name : expert_names(0, expert)) names.push_back(name);
  }
  ASSERT_TRUE(cache.prefetch(as_views(names)).ok());
  wait_for_hints(cache, 4);
  EXPECT_EQ(cache.statistics().prefetches, 2u);
  EXPECT_EQ(cache.statistics().dropped_prefetches, 2u);
  use(cache, 0, 1);
  use(cache, 0, 2);
  EXPECT_EQ(cache.statistics().hits, 2u) << "those that were hinted first are there";
  use(cache, 0, 3);
  EXPECT_EQ(cache.statistics().misses, 2u);
}

// Whether hints come in time or not, every answer is right and every access is counted once.
TEST_F(TensorCacheTest, HintsBesideAccesses) {
  TensorCache cache = make(room_for(40));
  bench::ZipfSource zipf(kExperts, 1.0, 3);
  uint32_t next = zipf.next();
  for (uint32_t access = 0; access < 800; ++access) {
    const uint32_t expert = next;
    next = zipf.next();
    const auto names = expert_names((access + 1) % kLayers, next);
    ASSERT_TRUE(cache.prefetch(as_views(names)).ok());
    use(cache, access % kLayers, expert);
  }
  const CacheStatistics statistics = cache.statistics();
  EXPECT_EQ(statistics.hits + statistics.misses, 800u);
  EXPECT_LE(statistics.waited_hits, statistics.hits);
  EXPECT_LE(statistics.used_bytes, statistics.capacity_bytes);
}

TEST_F(TensorCacheTest, StoppingEndsLoadsAndKeepsWhatIsThere) {
  std::stop_source stop;
  CacheOptions options = room_for(4);
  options.load.stop = stop.get_token();
  TensorCache cache = make(options);
  use(cache, 0, 0);
  stop.request_stop();
  EXPECT_EQ(acquire(cache, 0, 1).error().code(), ErrorCode::kCancelled);
  EXPECT_EQ(cache.statistics().held_bytes, 0u);
  use(cache, 0, 0);
  const auto names = expert_names(0, 2);
  EXPECT_TRUE(cache.prefetch(as_views(names)).ok())
      << "a hint is dropped at the latest with the cache";
}

TEST_F(TensorCacheTest, ManyCachesOnOneLoader) {
  TensorCache first = make(room_for(2));
  TensorCache second = make(room_for(2));
  use(first, 0, 0);
  use(second, 0, 0);
  TensorCache moved = std::move(first);
  use(moved, 0, 0);
  EXPECT_EQ(moved.statistics().hits, 1u);
  second = std::move(moved);
  EXPECT_EQ(second.statistics().hits, 1u);
}

}  // namespace
}  // namespace qload
