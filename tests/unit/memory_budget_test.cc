// Loads that do not fit are refused before they start, at the exact byte; what is kept makes room.
#include "runtime/load/memory_budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "tests/support/packed_model_suite.h"

namespace qload {
namespace {

using internal::fit_staging;
using internal::staging_within;
using test::TempDirectory;
using ::testing::HasSubstr;

constexpr uint64_t kMiB = 1u << 20;

TEST(StagingWithin, AQuarterButNotTooLittle) {
  EXPECT_EQ(staging_within(32 * kMiB, UINT64_MAX), 32 * kMiB);
  EXPECT_EQ(staging_within(32 * kMiB, 128 * kMiB), 32 * kMiB);
  EXPECT_EQ(staging_within(32 * kMiB, 128 * kMiB - 1), 32 * kMiB - (64u << 10));
  EXPECT_EQ(staging_within(32 * kMiB, 40 * kMiB), 10 * kMiB);
  EXPECT_EQ(staging_within(32 * kMiB, 16 * kMiB), 4 * kMiB);
  EXPECT_EQ(staging_within(32 * kMiB, 0), 4 * kMiB);
  EXPECT_EQ(staging_within(2 * kMiB, 4 * kMiB), 2 * kMiB) << "what was asked, when that is less";
}

class MemoryBudgetTest : public test::PackedModelSuite {
 protected:
  MemoryBudgetTest() : model_(open()) {}

  /// One thread and the smallest staging area, which no limit shrinks: needs are the same each
  /// time.
  static LoaderOptions small() {
    LoaderOptions options;
    options.decode_threads = 1;
    options.staging_bytes = kMiB;
    options.ignore_cgroup = true;
    return options;
  }
  static Loader make_loader(const LoaderOptions& options) {
    auto loader = Loader::create(options);
    EXPECT_TRUE(loader.ok()) << (loader.ok() ? "" : loader.error().message());
    return std::move(loader).value();
  }
  /// The number after "needs ".
  static uint64_t needed(const Error& error) {
    const std::string message(error.message());
    const size_t at = message.find("needs ");
    EXPECT_NE(at, std::string::npos) << message;
    return at == std::string::npos ? 0 : std::stoull(message.substr(at + 6));
  }
  Status load_into(Loader& loader, std::vector<std::byte>& memory) {
    const TensorInfo* info = model_.find("model.norm.weight");
    memory.resize(info->bytes);
    const Destination destination[] = {{info->name, memory}};
    return loader.load_into(model_, destination);
  }

  const Model model_;
};

TEST_F(MemoryBudgetTest, TheOptionRefusesAtTheExactByte) {
  LoaderOptions options = small();
  options.memory_bytes_max = 3 * kMiB;
  auto refused = make_loader(options).load(model_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kBudgetTooSmall);
  EXPECT_THAT(std::string(refused.error().message()),
              HasSubstr("LoaderOptions::memory_bytes_max allows 3145728"));
  const uint64_t bytes = needed(refused.error());
  EXPECT_GT(bytes, model_.decoded_bytes() + options.staging_bytes);
  EXPECT_LT(bytes, model_.decoded_bytes() + options.staging_bytes + 8 * kMiB);

  options.memory_bytes_max = bytes - 1;
  EXPECT_EQ(make_loader(options).load(model_).error().code(), ErrorCode::kBudgetTooSmall);
  options.memory_bytes_max = bytes;
  Loader fits = make_loader(options);
  auto weights = fits.load(model_);
  ASSERT_TRUE(weights.ok()) << weights.error().message();
  test::expect_weights(*weights, packed_);
  const std::string_view one[] = {"model.norm.weight"};
  options.memory_bytes_max = 6 * kMiB;
  EXPECT_TRUE(make_loader(options).load(model_, one).ok()) << "a part of the model fits";
}

// The option bounds what the Loader holds in all: Weights that are alive count, and make room when
// they go.
TEST_F(MemoryBudgetTest, WeightsThatAreAliveCount) {
  LoaderOptions options = small();
  options.memory_bytes_max = 3 * kMiB;
  const uint64_t bytes = needed(make_loader(options).load(model_).error());
  options.memory_bytes_max = bytes + 4096;  // A block has whole pages.
  Loader loader = make_loader(options);
  std::optional<Weights> first(loader.load(model_).value());
  auto second = loader.load(model_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code(), ErrorCode::kBudgetTooSmall);
  EXPECT_THAT(std::string(second.error().message()), HasSubstr("of other loads' weights"));
  first.reset();
  second = loader.load(model_);
  ASSERT_TRUE(second.ok()) << second.error().message();
  test::expect_weights(*second, packed_);
}

TEST_F(MemoryBudgetTest, CallerMemoryDoesNotCount) {
  LoaderOptions options = small();
  options.memory_bytes_max = kMiB;
  std::vector<std::byte> memory;
  Loader tight = make_loader(options);
  const Status refused = load_into(tight, memory);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kBudgetTooSmall);
  const uint64_t bytes = needed(refused.error());
  options.memory_bytes_max = bytes - 1;
  Loader less = make_loader(options);
  EXPECT_FALSE(load_into(less, memory).ok());
  options.memory_bytes_max = bytes;
  Loader enough = make_loader(options);
  EXPECT_TRUE(load_into(enough, memory).ok());

  LoadOptions hooked;
  hooked.allocator.allocate = [](void*, size_t size, size_t alignment) {
    return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  };
  hooked.allocator.release = [](void*, void* block, size_t) { std::free(block); };
  options.memory_bytes_max = 4 * kMiB;
  EXPECT_FALSE(make_loader(options).load(model_).ok());
  EXPECT_TRUE(make_loader(options).load(model_, hooked).ok());
}

TEST_F(MemoryBudgetTest, TheStagingAreaShrinksAndMustFit) {
  LoaderOptions options;
  options.ignore_cgroup = true;
  options.memory_bytes_max = 64 * kMiB;
  LoadStatistics statistics;
  LoadOptions load;
  load.statistics = &statistics;
  ASSERT_TRUE(make_loader(options).load(model_, load).ok());
  EXPECT_EQ(statistics.staging_bytes, 16 * kMiB);
  options.memory_bytes_max = 4 * kMiB;
  EXPECT_TRUE(Loader::create(options).ok());
  options.memory_bytes_max = 4 * kMiB - 1;
  auto refused = Loader::create(options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kBudgetTooSmall);
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr("allows 4194303"));
}

TEST_F(MemoryBudgetTest, KeptBlocksMakeRoom) {
  LoaderOptions options = small();
  options.memory_bytes_max = 3 * kMiB;
  const uint64_t bytes = needed(make_loader(options).load(model_).error());
  options.memory_bytes_max = bytes + 4096;  // A kept block has whole pages.
  options.reuse_bytes = UINT64_MAX;
  Loader loader = make_loader(options);
  LoadStatistics statistics;
  LoadOptions load;
  load.statistics = &statistics;
  ASSERT_TRUE(loader.load(model_, load).ok());
  ASSERT_TRUE(loader.load(model_, load).ok());
  EXPECT_GT(statistics.reused_bytes, 0u) << "a kept block counts once";
  const std::string_view part[] = {"lm_head.raw", "model.norm.weight"};
  auto smaller = loader.load(model_, part, load);
  ASSERT_TRUE(smaller.ok()) << smaller.error().message();
  EXPECT_EQ(statistics.reused_bytes, 0u);
  test::expect_weights(*smaller, packed_, false);
}

/// A loader under a control group of the test's own making.
class FakeGroupTest : public MemoryBudgetTest {
 protected:
  void write(const char* file, uint64_t value) {
    test::write_file(group_ / file, std::to_string(value) + "\n");
  }
  Loader make(const LoaderOptions& options) {
    auto made = internal::create_loader_state(options, kernel_engine_factory());
    EXPECT_TRUE(made.ok());
    made.value()->memory_groups = {{group_.path().string(), 2}};
    state_ = made.value().get();
    return internal::LoaderAccess::make(std::move(made).value());
  }
  TempDirectory group_;
  internal::LoaderState* state_ = nullptr;
};

TEST_F(FakeGroupTest, TheGroupRefusesAtTheExactByte) {
  write("memory.max", 100 * kMiB);
  write("memory.current", 100 * kMiB);
  test::write_file(group_ / "memory.stat", "inactive_file 1000\n");
  Loader loader = make(small());
  auto refused = loader.load(model_);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kBudgetTooSmall);
  EXPECT_THAT(std::string(refused.error().message()),
              HasSubstr("allows 1000, what is left of its limit of 104857600"));
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr(group_.path().string()));
  const uint64_t bytes = needed(refused.error());
  write("memory.current", 100 * kMiB + 1000 - bytes + 1);
  EXPECT_FALSE(loader.load(model_).ok());
  write("memory.current", 100 * kMiB + 1000 - bytes);
  auto weights = loader.load(model_);
  ASSERT_TRUE(weights.ok()) << weights.error().message();
  test::expect_weights(*weights, packed_);
}

// What loads under way have not filled yet is not in the group's usage, and is promised all the
// same.
TEST_F(FakeGroupTest, LoadsUnderWayAreCounted) {
  write("memory.max", 1u << 30);
  write("memory.current", 0);
  Loader loader = make(small());
  auto promised = DestinationBlock::allocate(1016 * kMiB, 4096, {}, Pinning::kNever);
  ASSERT_TRUE(promised.ok());
  state_->blocks->lend(*promised);
  auto refused = loader.load(model_);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(std::string(refused.error().message()), HasSubstr("that loads under way will fill"));
  state_->blocks->filled(*promised);
  EXPECT_TRUE(loader.load(model_).ok());
  state_->blocks->end_loan(*promised);
  EXPECT_EQ(state_->blocks->lent_bytes(), 0u);
}

TEST_F(FakeGroupTest, TheSmallerOfBothLimitsHolds) {
  write("memory.max", 1000 * kMiB);
  write("memory.current", 0);
  LoaderOptions options = small();
  options.memory_bytes_max = 3 * kMiB;
  EXPECT_THAT(std::string(make(options).load(model_).error().message()),
              HasSubstr("memory_bytes_max"));
  write("memory.max", 3 * kMiB);
  options.memory_bytes_max = 1000 * kMiB;
  EXPECT_THAT(std::string(make(options).load(model_).error().message()),
              HasSubstr("control group"));
}

TEST_F(FakeGroupTest, KeptMemoryIsThereAlready) {
  write("memory.max", 1000 * kMiB);
  write("memory.current", 0);
  LoaderOptions options = small();
  options.reuse_bytes = UINT64_MAX;
  Loader loader = make(options);
  LoadStatistics statistics;
  LoadOptions load;
  load.statistics = &statistics;
  ASSERT_TRUE(loader.load(model_, load).ok());
  const uint64_t kept = state_->blocks->kept_bytes();
  EXPECT_GE(kept, model_.decoded_bytes());
  write("memory.max", 8 * kMiB);
  ASSERT_TRUE(loader.load(model_, load).ok()) << "the model's memory is in the group's usage";
  EXPECT_GT(statistics.reused_bytes, 0u);
  EXPECT_EQ(state_->blocks->kept_bytes(), kept);
  write("memory.current", 8 * kMiB);
  EXPECT_FALSE(loader.load(model_, load).ok());
  EXPECT_EQ(state_->blocks->kept_bytes(), 0u) << "what is kept goes before a load is refused";
}

TEST_F(FakeGroupTest, TheStagingAreaShrinksToo) {
  write("memory.max", 80 * kMiB);
  write("memory.current", 40 * kMiB);
  const CgroupFolder groups[] = {{group_.path().string(), 2}};
  LoaderOptions options;
  ASSERT_TRUE(fit_staging(options, groups).ok());
  EXPECT_EQ(options.staging_bytes, 10 * kMiB);
  write("memory.current", 80 * kMiB);
  ASSERT_TRUE(fit_staging(options, groups).ok()) << "usage changes: loads decide";
  EXPECT_EQ(options.staging_bytes, 4 * kMiB);
  options.staging_bytes = 32 * kMiB;
  options.staging_allocator.allocate = [](void*, size_t, size_t) -> void* { return nullptr; };
  ASSERT_TRUE(fit_staging(options, groups).ok());
  EXPECT_EQ(options.staging_bytes, 32 * kMiB) << "a hook's memory is the caller's";
}

/// A memory control group below this process's own, with a limit; nothing, and why, where there
/// may be none.
class RealGroup {
 public:
  explicit RealGroup(uint64_t limit_bytes) {
    const auto folders = find_cgroup_folders("memory");
    for (const CgroupFolder& folder : folders) {
      const char* const limit = folder.version == 1 ? "memory.limit_in_bytes" : "memory.max";
      path_ = folder.path + "/qload_test_" + std::to_string(getpid());
      if (mkdir(path_.c_str(), 0755) != 0) continue;
      std::ofstream file(path_ + "/" + limit, std::ios::in);  // Not created where it is absent.
      file << limit_bytes << std::flush;
      if (file.good()) return;
      rmdir(path_.c_str());
    }
    path_.clear();
  }
  ~RealGroup() {
    if (!path_.empty()) rmdir(path_.c_str());
  }
  RealGroup(const RealGroup&) = delete;
  RealGroup& operator=(const RealGroup&) = delete;

  bool made() const { return !path_.empty(); }
  bool enter() const {
    std::ofstream file(path_ + "/cgroup.procs", std::ios::in);
    file << "0" << std::flush;
    return file.good();
  }

 private:
  std::string path_;
};

/// Runs `body` in a child process inside `group`: what it returned, or -1 for no group, -2 when the
/// kernel killed it.
template <class Body>
int run_inside(const RealGroup& group, Body&& body) {
  const pid_t child = fork();
  if (child == 0) _exit(group.enter() ? body() : 255);
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status)) return -2;
  return WEXITSTATUS(status) == 255 ? -1 : WEXITSTATUS(status);
}

TEST_F(MemoryBudgetTest, ARealControlGroupIsRespected) {
  const RealGroup roomy(192 * kMiB);
  if (!roomy.made()) GTEST_SKIP() << "no memory control group can be made here";
  const auto load = [&](uint64_t staging_bytes, uint64_t staging_max) {
    LoaderOptions options;
    options.decode_threads = 1;
    options.staging_bytes = staging_bytes;
    auto loader = Loader::create(options);
    if (!loader.ok()) return 1;
    LoadStatistics statistics;
    LoadOptions reporting;
    reporting.statistics = &statistics;
    auto weights = loader->load(model_, reporting);
    if (weights.ok()) return statistics.staging_bytes <= staging_max ? 2 : 3;
    const bool names_it =
        weights.error().message().find("the control group") != std::string_view::npos;
    return weights.error().code() == ErrorCode::kBudgetTooSmall && names_it ? 4 : 5;
  };
  const int fits = run_inside(roomy, [&] { return load(64 * kMiB, 48 * kMiB); });
  if (fits == -1) GTEST_SKIP() << "a process may not enter a memory control group here";
  EXPECT_EQ(fits, 2) << "-2: the kernel killed it";
}

TEST_F(MemoryBudgetTest, ATightControlGroupRefuses) {
  const RealGroup tight(16 * kMiB);  // Less than the tensors alone.
  if (!tight.made()) GTEST_SKIP() << "no memory control group can be made here";
  const int refused = run_inside(tight, [&] {
    auto loader = Loader::create();
    if (!loader.ok()) return 1;
    auto weights = loader->load(model_);
    if (weights.ok()) return 2;
    return weights.error().message().find("the control group") != std::string_view::npos ? 3 : 4;
  });
  if (refused == -1) GTEST_SKIP() << "a process may not enter a memory control group here";
#if !defined(__x86_64__)
  // An emulator's own memory counts in the group, and may alone be more than it allows.
  if (refused == -2) GTEST_SKIP() << "the kernel killed the process: it needs more by itself";
#endif
  EXPECT_EQ(refused, 3) << "-2: the kernel killed it";
}

}  // namespace
}  // namespace qload
