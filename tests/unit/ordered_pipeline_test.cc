#include "format/pack/ordered_pipeline.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <new>
#include <thread>
#include <vector>

namespace qload {
namespace {

Error failure(uint64_t item) { return Error(ErrorCode::kIo, std::to_string(item)); }

/// Squares 0..n-1 in order, on `threads` threads; slots must come back as they were filled.
void run_squares(uint64_t items, uint32_t threads) {
  std::vector<uint64_t> slots(pipeline_slot_count(threads), 0);
  uint64_t next = 0;
  OrderedWork work{items, threads, nullptr, nullptr};
  work.produce = [&](uint32_t thread, uint32_t slot, uint64_t item) -> Status {
    EXPECT_LT(thread, threads);
    if (item % 7 == 0) std::this_thread::yield();
    slots[slot] = item * item;
    return Ok{};
  };
  work.consume = [&](uint32_t slot, uint64_t item) -> Status {
    EXPECT_EQ(item, next++);
    EXPECT_EQ(slots[slot], item * item);
    slots[slot] = ~uint64_t{0};
    return Ok{};
  };
  EXPECT_TRUE(run_ordered(work, {}).ok());
  EXPECT_EQ(next, items);
}

TEST(OrderedPipeline, EveryItemOnceAndInOrder) {
  for (uint32_t threads : {1, 2, 8}) {
    for (uint64_t items : {0, 1, 2, 3, 17, 18, 19, 1000}) run_squares(items, threads);
  }
}

TEST(OrderedPipeline, LowestFailureWinsAfterAllBeforeItAreConsumed) {
  for (uint32_t threads : {1, 2, 8}) {
    std::atomic<uint64_t> highest = 0;
    uint64_t consumed = 0;
    OrderedWork work{10'000, threads, nullptr, nullptr};
    work.produce = [&](uint32_t, uint32_t, uint64_t item) -> Status {
      uint64_t seen = highest;
      while (seen < item && !highest.compare_exchange_weak(seen, item)) {
      }
      if (item == 50) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      if (item >= 50) return failure(item);
      return Ok{};
    };
    work.consume = [&](uint32_t, uint64_t) -> Status {
      ++consumed;
      return Ok{};
    };
    Status status = run_ordered(work, {});
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().message(), "50");
    EXPECT_EQ(consumed, 50u);
    EXPECT_LE(highest.load(), 50u + pipeline_slot_count(threads));
  }
}

TEST(OrderedPipeline, NothingIsMadeAfterAFailure) {
  uint64_t highest = 0;
  OrderedWork work{100, 1, nullptr, nullptr};
  work.produce = [&](uint32_t, uint32_t, uint64_t item) -> Status {
    highest = item;
    if (item == 2) return failure(item);
    return Ok{};
  };
  work.consume = [](uint32_t, uint64_t) -> Status {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // Time to go too far.
    return Ok{};
  };
  EXPECT_EQ(run_ordered(work, {}).error().message(), "2");
  EXPECT_EQ(highest, 2u);
}

// A consumer that is slow holds the workers back: its slot is not reused under it.
TEST(OrderedPipeline, ASlotIsReusedOnlyOnceItsItemIsConsumed) {
  constexpr uint32_t kThreads = 2;
  std::vector<std::atomic<uint64_t>> slots(pipeline_slot_count(kThreads));
  std::atomic<uint64_t> consuming = 0;
  OrderedWork work{3 * pipeline_slot_count(kThreads), kThreads, nullptr, nullptr};
  work.produce = [&](uint32_t, uint32_t slot, uint64_t item) -> Status {
    EXPECT_LT(item, consuming + pipeline_slot_count(kThreads));
    slots[slot] = item;
    return Ok{};
  };
  work.consume = [&](uint32_t slot, uint64_t item) -> Status {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_EQ(slots[slot], item);
    consuming = item + 1;
    return Ok{};
  };
  EXPECT_TRUE(run_ordered(work, {}).ok());
}

TEST(OrderedPipeline, FailureOfTheConsumerStopsTheWorkers) {
  std::atomic<uint64_t> made = 0;
  OrderedWork work{1'000'000, 4, nullptr, nullptr};
  work.produce = [&](uint32_t, uint32_t, uint64_t) -> Status {
    ++made;
    return Ok{};
  };
  work.consume = [&](uint32_t, uint64_t item) -> Status {
    if (item == 3) return failure(item);
    return Ok{};
  };
  Status status = run_ordered(work, {});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message(), "3");
  EXPECT_LE(made.load(), 4u + pipeline_slot_count(4));
}

TEST(OrderedPipeline, CancelledBeforeAndMidway) {
  std::stop_source stopped;
  stopped.request_stop();
  OrderedWork idle{0, 1, nullptr, nullptr};
  EXPECT_EQ(run_ordered(idle, stopped.get_token()).error().code(), ErrorCode::kCancelled);

  std::stop_source stop;
  uint64_t consumed = 0;
  OrderedWork work{1'000'000, 3, nullptr, nullptr};
  work.produce = [&](uint32_t, uint32_t, uint64_t) -> Status { return Ok{}; };
  work.consume = [&](uint32_t, uint64_t) -> Status {
    if (++consumed == 10) stop.request_stop();
    return Ok{};
  };
  EXPECT_EQ(run_ordered(work, stop.get_token()).error().code(), ErrorCode::kCancelled);
  EXPECT_EQ(consumed, 10u);
}

TEST(OrderedPipeline, CancelWakesAWaitingConsumer) {
  std::stop_source stop;
  OrderedWork work{1, 1, nullptr, nullptr};
  work.produce = [&](uint32_t, uint32_t, uint64_t) -> Status {
    stop.request_stop();
    return Ok{};
  };
  work.consume = [](uint32_t, uint64_t) -> Status { return failure(0); };
  EXPECT_EQ(run_ordered(work, stop.get_token()).error().code(), ErrorCode::kCancelled);
}

TEST(OrderedPipeline, MemoryRunningOutIsAnError) {
  OrderedWork work{5, 2, nullptr, nullptr};
  work.produce = [](uint32_t, uint32_t, uint64_t item) -> Status {
    if (item == 2) throw std::bad_alloc();
    return Ok{};
  };
  work.consume = [](uint32_t, uint64_t) -> Status { return Ok{}; };
  EXPECT_EQ(run_ordered(work, {}).error().code(), ErrorCode::kOutOfMemory);
}

TEST(ChooseThreadCount, ZeroIsAllAndTooManyIsRefused) {
  EXPECT_GE(choose_thread_count(0).value(), 1u);
  EXPECT_EQ(choose_thread_count(3).value(), 3u);
  EXPECT_EQ(choose_thread_count(kPipelineThreadsMax).value(), kPipelineThreadsMax);
  EXPECT_FALSE(choose_thread_count(kPipelineThreadsMax + 1).ok());
}

}  // namespace
}  // namespace qload
