// The loader on engines that refuse, fail, delay and reorder.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <functional>

#include "qload/packed.h"
#include "runtime/load/loader_state.h"
#include "tests/support/faulty_engine.h"
#include "tests/support/packed_model.h"

namespace qload {
namespace {

using test::Fate;
using test::FaultyEngine;
using test::PackedModel;
using test::TempDirectory;
using ::testing::HasSubstr;

/// A ring whose third read, and every one after it, the kernel refuses.
class BreakingEngine : public FaultyEngine {
 public:
  BreakingEngine(std::unique_ptr<ReadEngine> inner, uint64_t& reads)
      : FaultyEngine(
            std::move(inner),
            [&reads](uint64_t n, const Read&) { return (reads = n + 1) > 2 ? EPERM : 0; }, 1),
        reads_(reads) {}
  IoBackend backend() const override { return IoBackend::kUring; }
  bool broken() const override { return reads_ > 2; }

 private:
  const uint64_t& reads_;
};

class LoaderFaultTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = new TempDirectory();
    shared_ = new PackedModel(test::pack_loader_fixture(*directory_));
  }
  static void TearDownTestSuite() {
    delete shared_;
    delete directory_;
  }
  void SetUp() override {
    auto model = Model::open(packed_.path);
    ASSERT_TRUE(model.ok());
    model_.emplace(std::move(model).value());
  }
  Loader make_loader(Fate fate, const LoaderOptions& options = {}) {
    return test::make_faulty_loader(std::move(fate), options);
  }

  static TempDirectory* directory_;
  static PackedModel* shared_;
  const PackedModel& packed_ = *shared_;
  std::optional<Model> model_;
};
TempDirectory* LoaderFaultTest::directory_ = nullptr;
PackedModel* LoaderFaultTest::shared_ = nullptr;

TEST_F(LoaderFaultTest, AnyOrderOfCompletionsWillDo) {
  Loader loader = make_loader([](uint64_t, const Read&) { return 0; });
  auto weights = loader.load(*model_);
  ASSERT_TRUE(weights.ok()) << weights.error().message();
  test::expect_weights(*weights, packed_);
}

TEST_F(LoaderFaultTest, EachReadFailingInTurnIsAnErrorAndTheLoaderStaysFit) {
  uint64_t reads = 0;
  bool failing = true;
  uint64_t victim = 0;
  uint64_t seen = 0;
  Loader loader = make_loader([&](uint64_t, const Read&) {
    ++reads;
    return failing && seen++ == victim ? EIO : 0;
  });
  for (victim = 0; victim < 12; ++victim) {
    failing = true;
    seen = 0;
    auto weights = loader.load(*model_);
    ASSERT_FALSE(weights.ok()) << victim;
    EXPECT_EQ(weights.error().code(), ErrorCode::kIo);
    EXPECT_THAT(std::string(weights.error().message()), HasSubstr("EIO"));
    failing = false;
    auto after = loader.load(*model_);
    ASSERT_TRUE(after.ok()) << after.error().message();
    test::expect_weights(*after, packed_);
  }
  EXPECT_GT(reads, 12u);
}

// O_DIRECT that passes open and is refused at some read: the load goes on through the page cache.
TEST_F(LoaderFaultTest, DirectReadsRefusedLateFallBack) {
  for (const uint64_t first_refused : {0u, 3u}) {
    bool refusing = true;
    LoaderOptions options;
    Loader loader = make_loader(
        [&](uint64_t n, const Read& read) {
          return refusing && read.direct && n >= first_refused ? EINVAL : 0;
        },
        options);
    LoadStatistics statistics;
    LoadOptions load;
    load.statistics = &statistics;
    auto weights = loader.load(*model_, load);
    ASSERT_TRUE(weights.ok()) << weights.error().message();
    test::expect_weights(*weights, packed_);
    if (!statistics.direct_refused && !statistics.direct) {
      GTEST_SKIP() << "the file is cached or O_DIRECT is not granted here";
    }
    EXPECT_TRUE(statistics.direct_refused);
    EXPECT_FALSE(statistics.direct);
  }
}

TEST_F(LoaderFaultTest, RequiredDirectReadsDoNotFallBack) {
  LoaderOptions options;
  options.direct_io = DirectIo::kRequired;
  Loader loader =
      make_loader([](uint64_t, const Read& read) { return read.direct ? EINVAL : 0; }, options);
  auto weights = loader.load(*model_);
  ASSERT_FALSE(weights.ok());
  EXPECT_TRUE(weights.error().code() == ErrorCode::kIo ||
              weights.error().code() == ErrorCode::kUnsupported);
}

// Memory that the kernel cannot read into: the same bytes, by way of a slot.
TEST_F(LoaderFaultTest, ForeignMemoryIsFilledThroughStaging) {
  uint64_t refused = 0;
  LoaderOptions options;
  options.staging_bytes = 1u << 20;
  std::vector<std::byte> memory((3u << 20) + 4096);
  // On a page, so that direct reads can go there as well as buffered ones.
  const auto address = reinterpret_cast<uintptr_t>(memory.data());
  const std::span raw(memory.data() + (4096 - address % 4096) % 4096, 3u << 20);
  const std::byte* begin = raw.data();
  const std::byte* end = raw.data() + raw.size();
  Loader loader = make_loader(
      [&](uint64_t, const Read& read) {
        const bool foreign = read.data >= begin && read.data < end;
        refused += foreign;
        return foreign ? EFAULT : 0;
      },
      options);
  const Destination destination[] = {{"lm_head.raw", raw}};
  const Status status = loader.load_into(*model_, destination);
  ASSERT_TRUE(status.ok()) << status.error().message();
  EXPECT_TRUE(std::ranges::equal(raw, packed_.tensors.at("lm_head.raw")));
  EXPECT_GT(refused, 0u);
}

TEST_F(LoaderFaultTest, AFaultInStagingMemoryIsAnError) {
  Loader loader = make_loader([](uint64_t n, const Read&) { return n == 1 ? EFAULT : 0; });
  const std::string_view names[] = {"model.embed_tokens.weight"};
  auto weights = loader.load(*model_, names);
  ASSERT_FALSE(weights.ok());
  EXPECT_EQ(weights.error().code(), ErrorCode::kIo);
}

// A ring that works at first and is refused later, as in a sandbox entered after create().
TEST_F(LoaderFaultTest, ARingThatBreaksLaterIsReplaced) {
  auto file = File::open(packed_.path);
  ASSERT_TRUE(file.ok());
  ASSERT_EQ(posix_fadvise(file->descriptor(), 0, 0, POSIX_FADV_DONTNEED), 0);
  uint64_t ring_reads = 0;
  auto state =
      internal::create_loader_state({},
                                    [&](IoBackend backend, const EngineOptions& engine,
                                        int*) -> Result<std::unique_ptr<ReadEngine>> {
                                      auto inner = make_pread_engine(engine, 4);
                                      if (!inner.ok() || backend == IoBackend::kPread) return inner;
                                      return std::unique_ptr<ReadEngine>(
                                          new BreakingEngine(std::move(inner).value(), ring_reads));
                                    });
  ASSERT_TRUE(state.ok());
  Loader loader = internal::LoaderAccess::make(std::move(state).value());
  LoadStatistics statistics;
  LoadOptions options;
  options.statistics = &statistics;
  for (int round = 0; round < 2; ++round) {
    auto weights = loader.load(*model_, options);
    ASSERT_TRUE(weights.ok()) << weights.error().message();
    test::expect_weights(*weights, packed_);
    if (ring_reads == 0) GTEST_SKIP() << "O_DIRECT is not granted here, so the ring is not chosen";
    EXPECT_EQ(statistics.engine, IoBackend::kPread);
    EXPECT_EQ(statistics.kernel_refusal, static_cast<uint32_t>(EPERM));
  }
}

TEST_F(LoaderFaultTest, AnEngineThatCannotBeMadeIsAnErrorOfTheLoad) {
  LoaderOptions options;
  options.io_backend = IoBackend::kPread;
  auto state = internal::create_loader_state(
      options, [](IoBackend, const EngineOptions&, int*) -> Result<std::unique_ptr<ReadEngine>> {
        return Error(ErrorCode::kOutOfMemory, "no engine today");
      });
  ASSERT_TRUE(state.ok());
  Loader loader = internal::LoaderAccess::make(std::move(state).value());
  auto weights = loader.load(*model_);
  ASSERT_FALSE(weights.ok());
  EXPECT_EQ(weights.error().message(), "no engine today");
}

// Packed weights arrive by the same reads: what fails in one is an error, and the next works.
TEST_F(LoaderFaultTest, PackedWeightsFailAsOtherLoadsDo) {
  bool failing = true;
  uint64_t victim = 0;
  uint64_t seen = 0;
  Loader loader =
      make_loader([&](uint64_t, const Read&) { return failing && seen++ == victim ? EIO : 0; });
  for (victim = 0; victim < 6; ++victim) {
    failing = true;
    seen = 0;
    auto packed = loader.load_packed(*model_);
    ASSERT_FALSE(packed.ok()) << victim;
    EXPECT_EQ(packed.error().code(), ErrorCode::kIo);
    failing = false;
    packed = loader.load_packed(*model_);
    ASSERT_TRUE(packed.ok()) << packed.error().message();
    const auto& expected = packed_.tensors.at("lm_head.tied");
    std::vector<std::byte> memory(expected.size());
    const Destination destination[] = {{"lm_head.tied", memory}};
    const Status status = loader.decode(*packed, destination);
    ASSERT_TRUE(status.ok()) << status.error().message();
    EXPECT_EQ(memory, expected);
  }
}

// Memory that the kernel cannot read into is filled through staging, for packed weights too.
TEST_F(LoaderFaultTest, PackedWeightsComeThroughStagingWhereTheyMust) {
  std::span<std::byte> block;
  uint64_t refused = 0;
  Loader loader = make_loader([&](uint64_t, const Read& read) {
    const bool foreign =
        !block.empty() && read.data >= block.data() && read.data < block.data() + block.size();
    refused += foreign;
    return foreign ? EFAULT : 0;
  });
  LoadOptions options;
  options.allocator.context = &block;
  options.allocator.allocate = [](void* context, size_t bytes, size_t alignment) -> void* {
    const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    auto* memory = static_cast<std::byte*>(std::aligned_alloc(alignment, rounded));
    *static_cast<std::span<std::byte>*>(context) = {memory, bytes};
    return memory;
  };
  options.allocator.release = [](void*, void* memory, size_t) { std::free(memory); };
  auto packed = loader.load_packed(*model_, options);
  ASSERT_TRUE(packed.ok()) << packed.error().message();
  EXPECT_GT(refused, 0u);
  auto cursor = RowCursor::open(*packed, "model.embed_tokens.weight");
  ASSERT_TRUE(cursor.ok());
  std::vector<std::byte> memory(2000 * 1024);
  ASSERT_TRUE(cursor->decode_rows(0, 2000, memory).ok());
  EXPECT_EQ(memory, packed_.tensors.at("model.embed_tokens.weight"));
}

}  // namespace
}  // namespace qload
