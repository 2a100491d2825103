// TensorCache from many threads: sets that overlap, hints, holders that fill it, its end.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "bench/experts/zipf.h"
#include "tests/support/expert_suite.h"

namespace qload {
namespace {

using test::as_views;
using test::expert_names;

class CacheThreadsTest : public test::ExpertSuite {
 protected:
  CacheThreadsTest() : model_(open()), loader_(make_loader()) {}
  const Model model_;
  Loader loader_;
};

/// One engine thread: sets of one to three experts, now and then with hints for the next.
struct Engine {
  std::atomic<uint64_t> units = 0;
  std::atomic<uint64_t> refusals = 0;
  std::atomic<uint64_t> wrong = 0;
};

TEST_F(CacheThreadsTest, SetsThatOverlapFromManyThreads) {
  constexpr uint32_t kThreads = 6;
  TensorCache cache = make_cache(loader_, model_, room_for(12));
  Engine engine;
  const auto run = [&](uint32_t number) {
    std::mt19937 random(4711 + number);
    bench::ZipfSource zipf(kExperts / 4, 1.0, number);
    for (uint32_t access = 0; access < 120;) {
      std::vector<std::string> names;
      const auto set = zipf.next_set(1 + static_cast<uint32_t>(random() % 3));
      for (const uint32_t expert : set) {
        for (const std::string& name : expert_names(access % 2, expert)) names.push_back(name);
      }
      if (random() % 4 == 0) {
        EXPECT_TRUE(cache.prefetch(as_views(names)).ok());
        continue;
      }
      const auto views = cache.acquire(as_views(names));
      if (!views.ok()) {
        EXPECT_EQ(views.error().code(), ErrorCode::kBudgetTooSmall) << views.error().message();
        ++engine.refusals;
        std::this_thread::yield();
        continue;
      }
      if (!right(*views)) ++engine.wrong;
      engine.units += set.size();
      EXPECT_TRUE(cache.release(as_views(names)).ok());
      ++access;
    }
  };
  std::vector<std::thread> threads;
  for (uint32_t number = 0; number < kThreads; ++number) threads.emplace_back(run, number);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(engine.wrong, 0u);
  // The last hints may still be loading, which pins their units.
  while (cache.statistics().held_bytes > 0) std::this_thread::yield();
  const CacheStatistics statistics = cache.statistics();
  EXPECT_EQ(statistics.hits + statistics.misses, engine.units);
  EXPECT_LE(statistics.used_bytes, statistics.capacity_bytes);
}

// Two sets in opposite order, with room for one of them at a time.
TEST_F(CacheThreadsTest, TwoSetsThatDoNotFitTogetherTakeTurns) {
  TensorCache cache = make_cache(loader_, model_, room_for(2));
  std::atomic<uint32_t> done = 0;
  const auto run = [&](uint32_t first, uint32_t second) {
    std::vector<std::string> names = expert_names(0, first);
    for (const std::string& name : expert_names(0, second)) names.push_back(name);
    for (int round = 0; round < 50;) {
      const auto views = cache.acquire(as_views(names));
      if (!views.ok()) {
        EXPECT_EQ(views.error().code(), ErrorCode::kBudgetTooSmall);
        std::this_thread::yield();
        continue;
      }
      EXPECT_TRUE(right(*views));
      EXPECT_TRUE(cache.release(as_views(names)).ok());
      ++round;
    }
    ++done;
  };
  std::thread one(run, 0, 1);
  std::thread other(run, 1, 0);
  std::thread third(run, 2, 3);
  one.join();
  other.join();
  third.join();
  EXPECT_EQ(done, 3u);
}

TEST_F(CacheThreadsTest, TheSameExpertIsLoadedOnce) {
  TensorCache cache = make_cache(loader_, model_, room_for(64));
  std::vector<std::thread> threads;
  std::atomic<bool> go = false;
  for (int number = 0; number < 8; ++number) {
    threads.emplace_back([&] {
      while (!go) std::this_thread::yield();
      for (uint32_t expert = 0; expert < 20; ++expert) use(cache, 5, expert);
    });
  }
  go = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cache.statistics().misses, 20u);
  EXPECT_EQ(cache.statistics().hits, 140u);
}

TEST_F(CacheThreadsTest, StoppedWhileOthersWaitAndLoad) {
  for (int round = 0; round < 10; ++round) {
    std::stop_source stop;
    CacheOptions options = room_for(8);
    options.load.stop = stop.get_token();
    TensorCache cache = make_cache(loader_, model_, options);
    std::vector<std::thread> threads;
    for (uint32_t number = 0; number < 3; ++number) {
      threads.emplace_back([&, number] {
        bench::ZipfSource zipf(kExperts, 0.5, number);
        for (;;) {
          const uint32_t expert = zipf.next();
          const auto hint = expert_names(1, zipf.next());
          EXPECT_TRUE(cache.prefetch(as_views(hint)).ok());
          const Status status = acquire(cache, 0, expert);
          if (status.ok()) {
            release(cache, 0, expert);
          } else {
            EXPECT_EQ(status.error().code(), ErrorCode::kCancelled) << status.error().message();
            return;
          }
        }
      });
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(round));
    stop.request_stop();
    for (std::thread& thread : threads) thread.join();
    while (cache.statistics().held_bytes > 0) std::this_thread::yield();
  }
}

TEST_F(CacheThreadsTest, DestroyedWhileHintsAreUnderWay) {
  for (int round = 0; round < 20; ++round) {
    std::optional<TensorCache> cache(make_cache(loader_, model_, room_for(200)));
    std::vector<std::string> names;
    for (uint32_t expert = 0; expert < kExperts; ++expert) {
      for (const std::string& name : expert_names(0, expert)) names.push_back(name);
    }
    ASSERT_TRUE(cache->prefetch(as_views(names)).ok());
    std::this_thread::sleep_for(std::chrono::microseconds(300 * round));
    cache.reset();
  }
  EXPECT_TRUE(loader_.load(model_).ok()) << "the Loader is as it was";
}

}  // namespace
}  // namespace qload
