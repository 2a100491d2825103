// Several loads at once, on one Loader and on several.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <optional>
#include <random>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "format/base/file.h"
#include "runtime/load/loader_state.h"
#include "tests/support/packed_model_suite.h"

namespace qload {
namespace {

using internal::Turnstile;

class LoaderConcurrencyTest : public test::PackedModelSuite {
 protected:
  static void drop_from_cache() {
    auto file = File::open(shared_model_->path);
    ASSERT_TRUE(file.ok());
    (void)posix_fadvise(file->descriptor(), 0, 0, POSIX_FADV_DONTNEED);
  }
};

// Whole loads, named ones, cold, cached and cancelled ones, through little staging memory.
TEST_F(LoaderConcurrencyTest, LoadsOfAllKindsShareALoader) {
  for (const uint64_t staging_bytes : {1ull << 20, 8ull << 20}) {
    LoaderOptions options;
    options.staging_bytes = staging_bytes;
    options.decode_threads = 3;
    auto loader = Loader::create(options);
    ASSERT_TRUE(loader.ok());
    const Model model = open();
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (uint32_t number = 0; number < 10; ++number) {
      threads.emplace_back([&, number] {
        std::mt19937 generator(4711 + number);
        for (int round = 0; round < 6; ++round) {
          LoadOptions load;
          if (generator() % 3 == 0) drop_from_cache();
          if (generator() % 4 == 0) load.page_cache = PageCache::kBypass;
          if (generator() % 4 == 1) load.page_cache = PageCache::kKeep;
          std::stop_source stop;
          const bool cancel = generator() % 5 == 0;
          load.stop = stop.get_token();
          std::optional<std::jthread> canceller;
          if (cancel) {
            canceller.emplace([&stop, delay = generator() % 5] {
              std::this_thread::sleep_for(std::chrono::milliseconds(delay));
              stop.request_stop();
            });
          }
          const std::string_view names[] = {"lm_head.raw", "model.embed_tokens.weight"};
          const bool whole = generator() % 2 == 0;
          auto weights = whole ? loader->load(model, load) : loader->load(model, names, load);
          if (weights.ok()) {
            test::expect_weights(*weights, packed_, whole);
            ++good;
          } else {
            EXPECT_TRUE(cancel);
            EXPECT_EQ(weights.error().code(), ErrorCode::kCancelled) << weights.error().message();
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_GT(good, 20);
  }
}

TEST_F(LoaderConcurrencyTest, LoadersShareNothing) {
  std::vector<std::thread> threads;
  for (uint32_t number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      for (int round = 0; round < 3; ++round) {
        LoaderOptions options;
        options.staging_bytes = 2u << 20;
        options.decode_threads = 1 + number % 2;
        auto loader = Loader::create(options);
        ASSERT_TRUE(loader.ok());
        const Model model = open();
        LoadOptions load;
        load.page_cache = number % 2 == 0 ? PageCache::kBypass : PageCache::kAuto;
        auto weights = loader->load(model, load);
        ASSERT_TRUE(weights.ok()) << weights.error().message();
        test::expect_weights(*weights, packed_);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// A load that is under way does not keep another from beginning: here the second runs, whole, while
// the first has not returned.
TEST_F(LoaderConcurrencyTest, ALoadDoesNotWaitForAnother) {
  auto loader = Loader::create();
  ASSERT_TRUE(loader.ok());
  const Model model = open();
  int inner = 0;
  LoadOptions options;
  options.on_progress = [&](const Progress& progress) {
    if (progress.bytes_decoded < progress.bytes_total || inner > 0) return;
    std::thread other([&] {
      auto weights = loader->load(model);
      ASSERT_TRUE(weights.ok());
      test::expect_weights(*weights, packed_);
      ++inner;
    });
    other.join();
  };
  auto weights = loader->load(model, options);
  ASSERT_TRUE(weights.ok());
  EXPECT_EQ(inner, 1);
}

size_t thread_count() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<size_t>(std::distance(begin(tasks), end(tasks)));
}

/// The count once it stands still: a joined thread is listed for a moment longer, a long one under
/// an emulator.
size_t settled_thread_count() {
  size_t count = thread_count();
  for (int same = 0; same < 20; ++same) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    const size_t now = thread_count();
    if (now != std::exchange(count, now)) same = 0;
  }
  return count;
}

// Both engines and the decode threads end with their Loader, whatever it did.
TEST_F(LoaderConcurrencyTest, NoThreadIsLeftBehind) {
  const size_t before = settled_thread_count();
  for (const IoBackend backend : {IoBackend::kAuto, IoBackend::kPread}) {
    LoaderOptions options;
    options.io_backend = backend;
    options.decode_threads = 3;
    auto loader = Loader::create(options);
    ASSERT_TRUE(loader.ok());
    EXPECT_GT(thread_count(), before + 2);
    const Model model = open();
    for (const PageCache page_cache : {PageCache::kAuto, PageCache::kBypass, PageCache::kKeep}) {
      LoadOptions load;
      load.page_cache = page_cache;
      ASSERT_TRUE(loader->load(model, load).ok());
    }
  }
  EXPECT_EQ(settled_thread_count(), before);
}

TEST(Turnstile, LetsSoManyInAndNoMore) {
  Turnstile turnstile;
  for (uint32_t i = 0; i < Turnstile::kInsideMax; ++i) ASSERT_TRUE(turnstile.enter({}).ok());
  std::stop_source stop;
  std::atomic<bool> inside = false;
  std::thread cancelled([&] {
    auto status = turnstile.enter(stop.get_token());
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code(), ErrorCode::kCancelled);
  });
  std::thread waiting([&] {
    EXPECT_TRUE(turnstile.enter({}).ok());
    inside = true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  EXPECT_FALSE(inside);
  stop.request_stop();
  cancelled.join();
  EXPECT_FALSE(inside);
  turnstile.leave();
  waiting.join();
  EXPECT_TRUE(inside);
  for (uint32_t i = 0; i < Turnstile::kInsideMax; ++i) turnstile.leave();
  EXPECT_TRUE(turnstile.enter({}).ok());
}

}  // namespace
}  // namespace qload
