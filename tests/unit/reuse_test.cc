// Destination memory of one load serves the next, and outlives nothing that it should not.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <optional>
#include <thread>
#include <vector>

#include "format/container/container_reader.h"
#include "qload/loader.h"
#include "tests/support/packed_model_suite.h"

namespace qload {
namespace {

constexpr uint64_t kPlenty = 64u << 20;

class ReuseTest : public test::PackedModelSuite {
 protected:
  static Loader make_loader(uint64_t reuse_bytes) {
    LoaderOptions options;
    options.reuse_bytes = reuse_bytes;
    options.decode_threads = 2;
    auto loader = Loader::create(options);
    EXPECT_TRUE(loader.ok());
    return std::move(loader).value();
  }
  /// Loads, checks every byte, and returns the Weights and what was reused.
  static Weights load(Loader& loader, const Model& model, LoadStatistics& statistics,
                      LoadOptions options = {}) {
    options.statistics = &statistics;
    auto weights = loader.load(model, options);
    EXPECT_TRUE(weights.ok()) << (weights.ok() ? "" : weights.error().message());
    test::expect_weights(*weights, *shared_model_);
    return std::move(weights).value();
  }
};

const std::byte* first_byte(const Weights& weights) {
  for (const TensorView& view : weights.tensors()) {
    if (!view.data.empty()) return view.data.data();
  }
  return nullptr;
}

TEST_F(ReuseTest, TheSecondLoadGetsTheFirstsMemory) {
  const Model model = open();
  Loader loader = make_loader(kPlenty);
  LoadStatistics statistics;
  const std::byte* place = nullptr;
  {
    const Weights weights = load(loader, model, statistics);
    EXPECT_EQ(statistics.reused_bytes, 0u);
    place = first_byte(weights);
  }
  const bool huge_pages = statistics.huge_pages;
  for (int round = 0; round < 3; ++round) {
    const Weights weights = load(loader, model, statistics);
    EXPECT_EQ(statistics.reused_bytes, statistics.destination_bytes);
    EXPECT_GT(statistics.reused_bytes, model.decoded_bytes() - 1);
    EXPECT_EQ(statistics.huge_pages, huge_pages);
    EXPECT_EQ(first_byte(weights), place);
  }
  const Weights one = load(loader, model, statistics);
  EXPECT_GT(statistics.reused_bytes, 0u);
  const Weights other = load(loader, model, statistics);
  EXPECT_EQ(statistics.reused_bytes, 0u) << "the only kept block is in use";
  EXPECT_NE(first_byte(one), first_byte(other));
  test::expect_weights(one, packed_);
}

TEST_F(ReuseTest, NothingIsKeptUnasked) {
  const Model model = open();
  LoadStatistics statistics;
  for (const uint64_t reuse_bytes : {uint64_t{0}, uint64_t{1} << 20}) {
    Loader loader = make_loader(reuse_bytes);
    { const Weights weights = load(loader, model, statistics); }
    { const Weights weights = load(loader, model, statistics); }
    EXPECT_EQ(statistics.reused_bytes, 0u);
  }
}

TEST_F(ReuseTest, ALoadThatFailsGivesTheBlockBack) {
  const Model model = open();
  Loader loader = make_loader(kPlenty);
  LoadStatistics statistics;
  { const Weights weights = load(loader, model, statistics); }
  std::stop_source stop;
  stop.request_stop();
  LoadOptions options;
  options.stop = stop.get_token();
  EXPECT_FALSE(loader.load(model, options).ok());
  { const Weights weights = load(loader, model, statistics); }
  EXPECT_GT(statistics.reused_bytes, 0u);
}

// A load that was stopped has not touched its memory: it must not pass as used.
TEST_F(ReuseTest, AStoppedFirstLoadKeepsNothing) {
  const Model model = open();
  Loader loader = make_loader(kPlenty);
  std::stop_source stop;
  stop.request_stop();
  LoadOptions options;
  options.stop = stop.get_token();
  EXPECT_FALSE(loader.load(model, options).ok());
  LoadStatistics statistics;
  { const Weights weights = load(loader, model, statistics); }
  EXPECT_EQ(statistics.reused_bytes, 0u);
}

TEST_F(ReuseTest, AHooksMemoryIsNotKept) {
  const Model model = open();
  Loader loader = make_loader(kPlenty);
  int released = 0;
  LoadOptions options;
  options.allocator.allocate = [](void*, size_t bytes, size_t alignment) {
    return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  };
  options.allocator.release = [](void* context, void* block, size_t) {
    ++*static_cast<int*>(context);
    std::free(block);
  };
  options.allocator.context = &released;
  LoadStatistics statistics;
  { const Weights weights = load(loader, model, statistics, options); }
  EXPECT_EQ(released, 1);
  { const Weights weights = load(loader, model, statistics); }
  EXPECT_EQ(statistics.reused_bytes, 0u);
}

TEST_F(ReuseTest, WeightsOutliveTheLoader) {
  const Model model = open();
  LoadStatistics statistics;
  std::optional<Weights> reused;
  {
    Loader loader = make_loader(kPlenty);
    { const Weights weights = load(loader, model, statistics); }
    reused.emplace(load(loader, model, statistics));
    EXPECT_GT(statistics.reused_bytes, 0u);
  }
  test::expect_weights(*reused, packed_);
  std::thread([&] { reused.reset(); }).join();
}

// Weights die on many threads while the Loader dies on another.
TEST_F(ReuseTest, ConcurrentEnds) {
  const Model model = open();
  for (int round = 0; round < 4; ++round) {
    std::optional<Loader> loader = make_loader(kPlenty);
    std::vector<Weights> all;
    LoadStatistics statistics;
    for (int i = 0; i < 4; ++i) all.push_back(load(*loader, model, statistics));
    std::atomic<int> ready = 0;
    std::vector<std::thread> threads;
    for (Weights& weights : all) {
      threads.emplace_back([&ready, mine = std::move(weights)]() mutable {
        ++ready;
        while (ready < 5) std::this_thread::yield();
        const Weights dying = std::move(mine);
      });
    }
    ++ready;
    loader.reset();
    for (auto& thread : threads) thread.join();
  }
}

TEST_F(ReuseTest, ManyThreadsLoadAndDrop) {
  const Model model = open();
  Loader loader = make_loader(kPlenty);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 3; ++round) {
        LoadStatistics statistics;
        const Weights weights = load(loader, model, statistics);
      }
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace qload
