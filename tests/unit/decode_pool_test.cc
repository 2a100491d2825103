#include "runtime/decode/decode_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace qload {
namespace {

using std::chrono::milliseconds;

DecodePoolCounters wait_for(DecodePool& pool, DecodePool::WorkId id) {
  DecodePoolCounters counters;
  while (!pool.wait_finished(id, milliseconds(50), counters)) {
  }
  return counters;
}

DecodePoolCounters finish(DecodePool& pool, DecodePool::WorkId id) {
  pool.close(id);
  return wait_for(pool, id);
}

// Remembers which jobs ran, and does a fixed amount of idle work.
class RecordingWork : public DecodeWork {
 public:
  explicit RecordingWork(uint32_t jobs, int idle_pieces = 0) : runs_(jobs), idle_(idle_pieces) {}
  void run(const DecodeJob& job, DecodeContext&) override {
    inside_.fetch_add(1);
    runs_[job.first].fetch_add(1);
    inside_.fetch_sub(1);
  }
  bool run_idle() override { return idle_.fetch_sub(1) > 0; }

  bool each_ran_once() const {
    for (const auto& count : runs_) {
      if (count.load() != 1) return false;
    }
    return true;
  }
  bool all_out() const { return inside_.load() == 0; }
  int idle_left() const { return idle_.load(); }

 private:
  std::vector<std::atomic<int>> runs_;
  std::atomic<int> inside_ = 0;
  std::atomic<int> idle_;
};

TEST(DecodePool, RunsEveryJobOnce) {
  for (const uint32_t threads : {1u, 2u, 7u}) {
    auto pool = DecodePool::create(threads);
    ASSERT_TRUE(pool.ok());
    EXPECT_EQ((*pool)->thread_count(), threads);
    for (const uint32_t jobs : {0u, 1u, 2000u}) {  // 2000 is more than the queue holds.
      RecordingWork work(jobs, 5);
      const auto id = (*pool)->open(&work);
      for (uint32_t i = 0; i < jobs; ++i) (*pool)->push(id, {0, i, 1, 0});
      finish(**pool, id);
      EXPECT_TRUE(work.all_out());
      EXPECT_TRUE(work.each_ran_once()) << jobs;
    }
  }
}

// Idle work that takes part until it says that none is left, then is not asked again.
TEST(DecodePool, DoesIdleWorkUntilNoneIsLeft) {
  auto pool = DecodePool::create(2);
  ASSERT_TRUE(pool.ok());
  RecordingWork work(1, 1000);
  const auto id = (*pool)->open(&work);
  while (work.idle_left() >= 0) std::this_thread::yield();
  const int after = work.idle_left();
  (*pool)->push(id, {0, 0, 1, 0});
  finish(**pool, id);
  EXPECT_TRUE(work.each_ran_once());
  EXPECT_GE(after, -2);  // Each thread may have asked once more.
}

// What threads wait between two works belongs to neither.
TEST(DecodePool, WaitsAreCountedPerWork) {
  auto pool = DecodePool::create(3);
  ASSERT_TRUE(pool.ok());
  for (int round = 0; round < 2; ++round) {
    RecordingWork work(4);
    const auto begin = std::chrono::steady_clock::now();
    const auto id = (*pool)->open(&work);
    for (uint32_t i = 0; i < 4; ++i) (*pool)->push(id, {0, i, 1, 0});
    const DecodePoolCounters counters = finish(**pool, id);
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
    EXPECT_LE(counters.wait_seconds + counters.busy_seconds, 3 * passed.count() + 1e-6);
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
  }
}

TEST(DecodePool, WorksCanFollowEachOther) {
  auto pool = DecodePool::create(3);
  ASSERT_TRUE(pool.ok());
  for (int round = 0; round < 200; ++round) {
    RecordingWork work(20, 3);
    const auto id = (*pool)->open(&work);
    for (uint32_t i = 0; i < 20; ++i) (*pool)->push(id, {0, i, 1, 0});
    finish(**pool, id);
    ASSERT_TRUE(work.each_ran_once()) << round;
  }
}

// Pulls a number of pieces; says it is busy on some, and is let on by retry().
class PullingWork : public DecodeWork {
 public:
  PullingWork(int pieces, std::function<void()> on_busy = {})
      : left_(pieces), on_busy_(std::move(on_busy)) {}
  void run(const DecodeJob&, DecodeContext&) override { ADD_FAILURE(); }
  Pulled pull(DecodeContext&) override {
    if (on_busy_ && asked_.fetch_add(1) % 3 == 1) {
      on_busy_();
      return Pulled::kBusy;
    }
    const int left = left_.fetch_sub(1);
    if (left > 0) ++done_;
    return left > 1 ? Pulled::kMore : Pulled::kDone;
  }
  bool run_idle() override { return false; }
  int done() const { return done_; }
  void stop() { left_ = 0; }

 private:
  std::atomic<int> left_;
  std::atomic<int> asked_ = 0;
  std::atomic<int> done_ = 0;
  const std::function<void()> on_busy_;
};

TEST(DecodePool, PullsUntilNothingIsLeft) {
  for (const uint32_t threads : {1u, 3u}) {
    auto pool = DecodePool::create(threads);
    ASSERT_TRUE(pool.ok());
    PullingWork work(500);
    const auto id = (*pool)->open(&work);
    finish(**pool, id);
    EXPECT_EQ(work.done(), 500);
  }
}

// Room that frees while a work says that it is busy is not missed.
TEST(DecodePool, BusyWorksAreAskedAgainAfterARetry) {
  for (const uint32_t threads : {1u, 3u}) {
    auto pool = DecodePool::create(threads);
    ASSERT_TRUE(pool.ok());
    std::atomic<int> wanted = 0;
    std::atomic<bool> over = false;
    std::thread room([&] {
      while (!over) {
        if (wanted.exchange(0) > 0) (*pool)->retry();
        std::this_thread::yield();
      }
    });
    PullingWork work(300, [&] { ++wanted; });
    finish(**pool, (*pool)->open(&work));
    EXPECT_EQ(work.done(), 300);
    over = true;
    room.join();
  }
}

// A work that is pulled and one whose jobs are pushed get along, and so do many opened and closed
// by several threads.
TEST(DecodePool, WorksShareTheThreads) {
  auto pool = DecodePool::create(2);
  ASSERT_TRUE(pool.ok());
  std::vector<std::thread> threads;
  std::atomic<int> bad = 0;
  for (uint32_t number = 0; number < DecodePool::kWorksMax; ++number) {
    threads.emplace_back([&, number] {
      for (int round = 0; round < 30; ++round) {
        if (number % 2 == 0) {
          PullingWork work(40);
          finish(**pool, (*pool)->open(&work));
          bad += work.done() != 40;
        } else {
          RecordingWork work(100, 3);
          const auto id = (*pool)->open(&work);
          for (uint32_t i = 0; i < 100; ++i) (*pool)->push(id, {0, i, 1, 0});
          finish(**pool, id);
          bad += !work.each_ran_once();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(bad, 0);
}

// One thread, a work with endless pulls and another with a job: the job's turn comes.
TEST(DecodePool, PullsDoNotStarveJobs) {
  auto pool = DecodePool::create(1);
  ASSERT_TRUE(pool.ok());
  PullingWork endless(1 << 30);
  const auto endless_id = (*pool)->open(&endless);
  RecordingWork work(50);
  const auto id = (*pool)->open(&work);
  for (uint32_t i = 0; i < 50; ++i) (*pool)->push(id, {0, i, 1, 0});
  finish(**pool, id);
  EXPECT_TRUE(work.each_ran_once());
  EXPECT_GT(endless.done(), 0);
  endless.stop();
  finish(**pool, endless_id);
}

TEST(DecodePool, EachThreadStartsByItsFunction) {
  std::atomic<int> started = 0;
  auto pool = DecodePool::create(5, [&] { ++started; });
  ASSERT_TRUE(pool.ok());
  pool->reset();
  EXPECT_EQ(started, 5);
}

}  // namespace
}  // namespace qload
