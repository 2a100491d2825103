// How many decode threads, and where: on any machine, under any quota.
#include "runtime/host/processors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <thread>

#include "tests/support/test_files.h"

namespace qload {
namespace {

using test::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ProcessorFacts equal_processors(uint32_t count) {
  ProcessorFacts facts;
  for (uint32_t i = 0; i < count; ++i) facts.mask.push_back(i);
  return facts;
}

// A phone: four slow processors, three fast, one faster.
ProcessorFacts phone() {
  ProcessorFacts facts = equal_processors(8);
  facts.capacities = {300, 300, 300, 300, 800, 800, 800, 1024};
  return facts;
}

ThreadPlacement place(const ProcessorFacts& facts, const PlacementRequest& request = {}) {
  auto placed = choose_placement(facts, request);
  EXPECT_TRUE(placed.ok());
  return placed.ok() ? *placed : ThreadPlacement{};
}

TEST(CpuMax, RoundsUpAndIgnoresNonsense) {
  EXPECT_EQ(parse_cpu_max("200000 100000\n"), 2u);
  EXPECT_EQ(parse_cpu_max("200001 100000"), 3u);
  EXPECT_EQ(parse_cpu_max("1 100000"), 1u);
  EXPECT_EQ(parse_cpu_max("0 100000"), 1u) << "at least one";
  EXPECT_EQ(parse_cpu_max("18446744073709551615 1"), 1u << 18);
  for (const char* none : {"max 100000", "max", "", "100000", "100000 0", "-1 100000", "1 2 3"}) {
    EXPECT_FALSE(parse_cpu_max(none)) << none;
  }
}

TEST(Placement, EqualProcessorsAreNotBound) {
  EXPECT_EQ(place(equal_processors(6)).thread_count, 6u);
  EXPECT_THAT(place(equal_processors(6)).processors, IsEmpty());
  ProcessorFacts facts = equal_processors(6);
  facts.quota = 2;
  EXPECT_EQ(place(facts).thread_count, 2u);
  EXPECT_THAT(place(facts).processors, IsEmpty());
  facts.quota = 60;
  EXPECT_EQ(place(facts).thread_count, 6u);
  facts.quota = 0;
  EXPECT_EQ(place(facts).thread_count, 1u);
  facts.quota = 2;
  EXPECT_EQ(place(facts, {.ignore_cgroup = true}).thread_count, 6u);
  EXPECT_EQ(place(facts, {.thread_count = 9, .nice = 5}).thread_count, 9u) << "the caller knows";
  EXPECT_EQ(place(facts, {.nice = 5}).nice, 5);
  EXPECT_EQ(place({}).thread_count, 1u) << "a mask that is not known";
  facts.capacities = {7, 7, 7, 7, 7, 7};
  EXPECT_THAT(place(facts, {.thread_count = 2}).processors, IsEmpty());
  facts.capacities = {7, 8};
  EXPECT_THAT(place(facts, {.thread_count = 2}).processors, IsEmpty()) << "some are not known";
}

TEST(Placement, FastProcessorsFirst) {
  EXPECT_EQ(place(phone()).thread_count, 8u);
  EXPECT_THAT(place(phone()).processors, IsEmpty());
  EXPECT_THAT(place(phone(), {.thread_count = 1}).processors, ElementsAre(7));
  EXPECT_THAT(place(phone(), {.thread_count = 2}).processors, ElementsAre(4, 5, 6, 7))
      << "all that are as fast as the slowest chosen";
  EXPECT_THAT(place(phone(), {.thread_count = 4}).processors, ElementsAre(4, 5, 6, 7));
  EXPECT_THAT(place(phone(), {.thread_count = 5}).processors, IsEmpty());
  EXPECT_THAT(place(phone(), {.thread_count = 8}).processors, IsEmpty());
  EXPECT_THAT(place(phone(), {.thread_count = 100}).processors, IsEmpty());
  ProcessorFacts limited = phone();
  limited.quota = 3;
  EXPECT_EQ(place(limited).thread_count, 3u);
  EXPECT_THAT(place(limited).processors, ElementsAre(4, 5, 6, 7));
}

TEST(Placement, TheCallersProcessors) {
  const uint32_t wanted[] = {7, 2, 3, 2};
  EXPECT_EQ(place(phone(), {.processors = wanted}).thread_count, 3u);
  EXPECT_THAT(place(phone(), {.processors = wanted}).processors, ElementsAre(2, 3, 7));
  EXPECT_THAT(place(phone(), {.thread_count = 1, .processors = wanted}).processors, ElementsAre(7));
  EXPECT_THAT(place(phone(), {.thread_count = 2, .processors = wanted}).processors,
              ElementsAre(2, 3, 7));
  EXPECT_THAT(place(equal_processors(8), {.thread_count = 1, .processors = wanted}).processors,
              ElementsAre(2, 3, 7));
  const uint32_t foreign[] = {0, 9, 8};
  auto refused = choose_placement(phone(), {.processors = foreign});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr("processor 9 is not one of the 8"));
  const uint32_t absurd[] = {UINT32_MAX};
  EXPECT_FALSE(choose_placement({}, {.processors = absurd}).ok());
}

class ProcessorTree : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) {
    const auto full = root_.path() / path;
    std::filesystem::create_directories(full.parent_path());
    test::write_file(full, text);
  }
  ProcessorFacts read() { return read_processor_facts({0, 1}, false, root_.path()); }
  TempDirectory root_;
};

TEST_F(ProcessorTree, Version2Quota) {
  EXPECT_FALSE(read().quota);
  write("proc/self/cgroup", "0::/a/b\n");
  write("proc/self/mountinfo", "1 2 0:3 / /cg rw - cgroup2 none rw\n");
  write("cg/a/b/cpu.max", "max 100000\n");
  EXPECT_FALSE(read().quota);
  write("cg/a/cpu.max", "350000 100000\n");
  EXPECT_EQ(read().quota, 4u);
  write("cg/cpu.max", "100000 100000\n");
  EXPECT_EQ(read().quota, 1u);
  EXPECT_FALSE(read_processor_facts({0}, true, root_.path()).quota);
}

TEST_F(ProcessorTree, Version1Quota) {
  write("proc/self/cgroup", "3:cpu,cpuacct:/a\n");
  write("proc/self/mountinfo", "1 2 0:3 / /cg rw - cgroup none rw,cpu,cpuacct\n");
  write("cg/cpu.cfs_quota_us", "-1\n");
  write("cg/cpu.cfs_period_us", "100000\n");
  EXPECT_FALSE(read().quota);
  write("cg/a/cpu.cfs_quota_us", "150000\n");
  EXPECT_FALSE(read().quota) << "without a period";
  write("cg/a/cpu.cfs_period_us", "50000\n");
  EXPECT_EQ(read().quota, 3u);
}

TEST_F(ProcessorTree, Capacities) {
  EXPECT_THAT(read().capacities, IsEmpty());
  write("sys/devices/system/cpu/cpu0/cpu_capacity", "446\n");
  EXPECT_THAT(read().capacities, IsEmpty()) << "one is not known";
  write("sys/devices/system/cpu/cpu1/cpu_capacity", "1024\n");
  EXPECT_THAT(read().capacities, ElementsAre(446, 1024));
  write("sys/devices/system/cpu/cpu1/cpu_capacity", "fast\n");
  EXPECT_THAT(read().capacities, IsEmpty());
}

TEST(Affinity, IsTheCallingThreads) {
  const std::vector<uint32_t> mask = read_affinity();
  ASSERT_FALSE(mask.empty());
  EXPECT_TRUE(std::is_sorted(mask.begin(), mask.end()));
  std::thread([&] {
    ThreadPlacement last;
    last.processors = {mask.back()};
    apply_placement(last);
    EXPECT_THAT(read_affinity(), ElementsAre(mask.back()));
    const auto placed = place_threads({});
    ASSERT_TRUE(placed.ok());
    EXPECT_EQ(placed->thread_count, 1u);
    ThreadPlacement offline;
    offline.processors = {100'000};
    apply_placement(offline);
    EXPECT_THAT(read_affinity(), ElementsAre(mask.back())) << "a refusal changes nothing";
  }).join();
  EXPECT_EQ(read_affinity(), mask);
}

TEST(Niceness, IsTheCallingThreads) {
  const auto niceness = [] {
    return getpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)));
  };
  const int before = niceness();
  std::thread([&] {
    apply_placement({1, {}, 3});
    EXPECT_EQ(niceness(), std::min(before + 3, 19));
    apply_placement({1, {}, 19});
    EXPECT_EQ(niceness(), 19);
    apply_placement({1, {}, 0});
    EXPECT_EQ(niceness(), 19);
    apply_placement({1, {}, -1});  // The kernel may refuse.
    EXPECT_GE(niceness(), 18);
  }).join();
  EXPECT_EQ(niceness(), before);
}

}  // namespace
}  // namespace qload
