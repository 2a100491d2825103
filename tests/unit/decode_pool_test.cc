#include "runtime/decode/decode_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

namespace qload {
namespace {

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
      (*pool)->begin(&work);
      for (uint32_t i = 0; i < jobs; ++i) (*pool)->push({0, i, 1, 0});
      (*pool)->finish();
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
  (*pool)->begin(&work);
  while (work.idle_left() >= 0) std::this_thread::yield();
  const int after = work.idle_left();
  (*pool)->push({0, 0, 1, 0});
  (*pool)->finish();
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
    (*pool)->begin(&work);
    for (uint32_t i = 0; i < 4; ++i) (*pool)->push({0, i, 1, 0});
    const DecodePoolCounters counters = (*pool)->finish();
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
    (*pool)->begin(&work);
    for (uint32_t i = 0; i < 20; ++i) (*pool)->push({0, i, 1, 0});
    (*pool)->finish();
    ASSERT_TRUE(work.each_ran_once()) << round;
  }
}

}  // namespace
}  // namespace qload
