// Read plans, carried out on the container's bytes in memory: every destination byte must be
// written once, with the right value, by reads that keep the rules.
#include "runtime/plan/read_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "format/base/checked.h"
#include "tests/support/fixture_model.h"
#include "tests/support/test_files.h"
#include "tests/unit/plan_simulator.h"

namespace qload::test {
namespace {

FixtureTensor raw_tensor(std::string name, size_t bytes, uint64_t chunk_bytes = 256u << 10) {
  FixtureTensor tensor;
  tensor.name = std::move(name);
  tensor.data = random_bytes(bytes, bytes + 1);
  tensor.chunk_bytes = chunk_bytes;
  tensor.codec = CodecId::kStore;
  return tensor;
}

FixtureTensor coded_tensor(std::string name, size_t bytes, uint64_t chunk_bytes = 256u << 10) {
  FixtureTensor tensor = raw_tensor(std::move(name), 0, chunk_bytes);
  tensor.data = gaussian_int8(bytes, 6.0, bytes + 1);
  tensor.codec = CodecId::kZstd;
  return tensor;
}

/// Turns the last tensor into a duplicate of another.
void make_duplicate(std::vector<FixtureTensor>& tensors, uint64_t original) {
  tensors.back().data = tensors[original].data;
  tensors.back().duplicate_of = static_cast<uint32_t>(original);
}

FixtureModel model_of(std::vector<FixtureTensor> tensors) {
  FixtureModel model;
  model.tensors = std::move(tensors);
  return model;
}

/// Plans and carries out; returns the plan.
ReadPlan run_plan(const PlanFixture& fixture, const PlanOptions& options, Arena& arena,
                  const std::vector<PlanTensor>& tensors) {
  ReadPlan plan = make_read_plan(fixture.index(), tensors, options);
  PlanRun(fixture, options, arena).run(plan, tensors);
  return plan;
}

size_t count_in_place(const ReadPlan& plan) {
  return static_cast<size_t>(
      std::count_if(plan.reads.begin(), plan.reads.end(),
                    [](const PlanRead& r) { return r.in_place != nullptr; }));
}

TEST(ReadPlan, NothingWantedNothingRead) {
  PlanFixture fixture(model_of({raw_tensor("a", 0), coded_tensor("b", 100)}));
  Arena arena(16);
  EXPECT_TRUE(run_plan(fixture, {}, arena, {}).reads.empty());
  const ReadPlan plan = run_plan(fixture, {}, arena, {{0, arena.data()}});  // An empty tensor.
  EXPECT_TRUE(plan.reads.empty());
  EXPECT_EQ(plan.staged_bytes_max, 0u);
}

TEST(ReadPlan, CodedChunksShareReadsUpToTheLimit) {
  PlanFixture fixture(model_of({coded_tensor("a", 1 << 20, 32 << 10)}));
  Arena arena(1 << 20);
  PlanOptions options;
  options.alignment = 1;
  options.read_bytes = 128 << 10;
  const ReadPlan plan = run_plan(fixture, options, arena, {{0, arena.data()}});
  EXPECT_EQ(plan.chunks.size(), 32u);
  EXPECT_EQ(plan.stored_bytes, fixture.index().tensors()[0].stored_bytes);
  EXPECT_EQ(plan.read_bytes, plan.stored_bytes) << "neighbours need no gap";
  for (size_t i = 0; i + 1 < plan.reads.size(); ++i) {
    EXPECT_GT(plan.reads[i].bytes, options.read_bytes - (32u << 10)) << "read " << i;
  }
  options.read_bytes = 8 << 20;
  Arena second(1 << 20);
  EXPECT_EQ(run_plan(fixture, options, second, {{0, second.data()}}).reads.size(), 1u);
}

TEST(ReadPlan, CodedChunkLargerThanAReadHasItsOwn) {
  PlanFixture fixture(model_of({coded_tensor("a", 1 << 20, 1 << 20), coded_tensor("b", 1000)}));
  Arena arena(2 << 20);
  PlanOptions options;
  options.read_bytes = 64 << 10;
  const ReadPlan plan =
      run_plan(fixture, options, arena, {{0, arena.data()}, {1, arena.data() + (1 << 20)}});
  ASSERT_EQ(plan.reads.size(), 2u);
  EXPECT_EQ(plan.staged_bytes_max, plan.reads[0].bytes);
  EXPECT_GT(plan.staged_bytes_max, options.read_bytes);
}

TEST(ReadPlan, RawChunkLargerThanAReadIsCut) {
  PlanFixture fixture(model_of({raw_tensor("a", 1 << 20, 1 << 20), coded_tensor("b", 1000)}));
  for (uint32_t alignment : {1u, 512u, 4096u, 65536u}) {
    Arena arena(2 << 20);
    PlanOptions options;
    options.alignment = alignment;
    options.base_offset = 77;
    options.read_bytes = 64 << 10;
    options.in_place = false;
    const ReadPlan plan =
        run_plan(fixture, options, arena, {{1, arena.data()}, {0, arena.data() + 1001}});
    ASSERT_EQ(plan.raw_chunks.size(), 1u);
    EXPECT_GE(plan.raw_chunks[0].piece_count, 16u);
    EXPECT_LE(plan.raw_chunks[0].piece_count, 17u);
    EXPECT_EQ(plan.staged_bytes_max, 64u << 10);
    EXPECT_EQ(count_in_place(plan), 0u);
  }
}

TEST(ReadPlan, GapsAreReadOverWhenSmall) {
  PlanFixture fixture(
      model_of({coded_tensor("a", 1000), raw_tensor("b", 20000), coded_tensor("c", 1000)}));
  Arena arena(8192);
  const std::vector<PlanTensor> wanted = {{0, arena.data()}, {2, arena.data() + 4096}};
  PlanOptions options;
  options.alignment = 1;
  options.gap_bytes = 20000;
  EXPECT_EQ(run_plan(fixture, options, arena, wanted).reads.size(), 1u);
  options.gap_bytes = 19999;
  Arena second(8192);
  EXPECT_EQ(run_plan(fixture, options, second, {{0, second.data()}, {2, second.data() + 4096}})
                .reads.size(),
            2u);
}

TEST(ReadPlan, RawGoesInPlaceWhenItMayAndCan) {
  PlanFixture fixture(model_of({raw_tensor("a", 1 << 20)}));
  Arena arena(2 << 20);
  PlanOptions options;
  options.read_bytes = 512 << 10;
  const uint64_t congruence = fixture.first_offset(0) % options.alignment;
  std::byte* data = arena.data() + congruence;
  ReadPlan plan = run_plan(fixture, options, arena, {{0, data}});
  EXPECT_EQ(plan.in_place_bytes, (1u << 20) - (congruence == 0 ? 0 : 4096u));
  EXPECT_EQ(plan.raw_chunks.size(), 4u);

  Arena odd(2 << 20);
  EXPECT_EQ(count_in_place(run_plan(fixture, options, odd, {{0, odd.data() + congruence + 1}})),
            0u);
  Arena foreign(2 << 20);
  plan = run_plan(fixture, options, foreign, {{0, foreign.data() + congruence, false}});
  EXPECT_EQ(count_in_place(plan), 0u);
  options.in_place = false;
  Arena off(2 << 20);
  EXPECT_EQ(count_in_place(run_plan(fixture, options, off, {{0, off.data() + congruence}})), 0u);

  options = {};
  options.alignment = 1;  // Buffered: nothing needs to agree.
  Arena buffered(2 << 20);
  plan = run_plan(fixture, options, buffered, {{0, buffered.data() + 12345}});
  EXPECT_EQ(plan.in_place_bytes, 1u << 20);
  EXPECT_EQ(plan.staged_bytes_max, 0u);
}

TEST(ReadPlan, InPlaceFrom64KibOn) {
  PlanFixture fixture(
      model_of({raw_tensor("a", kInPlaceBytesMin), raw_tensor("b", kInPlaceBytesMin - 1)}));
  Arena arena(1 << 20);
  PlanOptions options;
  options.alignment = 1;
  EXPECT_EQ(count_in_place(run_plan(fixture, options, arena, {{0, arena.data() + 3}})), 1u);
  Arena second(1 << 20);
  EXPECT_EQ(count_in_place(run_plan(fixture, options, second, {{1, second.data() + 3}})), 0u);
}

TEST(ReadPlan, HeadAndTailComeThroughStaging) {
  PlanFixture fixture(
      model_of({coded_tensor("a", 1000), raw_tensor("b", 300000), coded_tensor("c", 1000)}));
  Arena arena(1 << 20);
  PlanOptions options;
  options.base_offset = 1001;
  const uint64_t place = (options.base_offset + fixture.first_offset(1)) % options.alignment;
  ASSERT_NE(place, 0u);
  const ReadPlan plan =
      run_plan(fixture, options, arena,
               {{0, arena.data() + 500000}, {1, arena.data() + place}, {2, arena.data() + 600000}});
  EXPECT_EQ(count_in_place(plan), 1u);
  EXPECT_EQ(plan.in_place_bytes, align_down(place + 300000, 4096) - 4096);
  ASSERT_EQ(plan.reads.size(), 3u) << "the head joins a's read, the tail c's";
  EXPECT_EQ(plan.reads[0].chunk_count, 1u);
  EXPECT_EQ(plan.reads[0].piece_count, 1u);
  EXPECT_EQ(plan.reads[2].chunk_count, 1u);
  EXPECT_EQ(plan.reads[2].piece_count, 1u);
}

TEST(ReadPlan, OneTensorIntoTwoPlaces) {
  PlanFixture fixture(model_of({coded_tensor("a", 100000), raw_tensor("b", 300000)}));
  for (uint32_t read_bytes : {1u << 20, 64u << 10}) {
    Arena arena(2 << 20);
    PlanOptions options;
    options.read_bytes = read_bytes;
    const uint64_t place = fixture.first_offset(1) % options.alignment;
    std::byte* data = arena.data();
    const ReadPlan plan = run_plan(fixture, options, arena,
                                   {{0, data + (1 << 20)},
                                    {1, data + place},
                                    {1, data + (512 << 10) + place},
                                    {0, data + (1 << 20) + 200000}});
    EXPECT_EQ(count_in_place(plan), 0u);
    EXPECT_LE(plan.stored_bytes, 400000u) << "shared chunks count once";
  }
}

TEST(ReadPlan, DuplicatesAreReadOnceAndFilledEach) {
  std::vector<FixtureTensor> tensors = {coded_tensor("a", 100000), raw_tensor("b", 300000)};
  tensors.push_back(coded_tensor("a2", 0));
  make_duplicate(tensors, 0);
  tensors.push_back(raw_tensor("b2", 0));
  make_duplicate(tensors, 1);
  PlanFixture fixture(model_of(std::move(tensors)));
  const uint64_t stored =
      fixture.index().tensors()[0].stored_bytes + fixture.index().tensors()[1].stored_bytes;
  Arena arena(2 << 20);
  PlanOptions options;
  std::byte* data = arena.data();
  ReadPlan plan = run_plan(
      fixture, options, arena,
      {{0, data}, {1, data + (512 << 10)}, {2, data + (256 << 10)}, {3, data + (1 << 20)}});
  EXPECT_EQ(plan.stored_bytes, stored);
  EXPECT_EQ(count_in_place(plan), 0u) << "one read cannot land in two places";
  Arena second(2 << 20);
  plan = run_plan(fixture, options, second, {{3, second.data()}, {2, second.data() + (1 << 20)}});
  EXPECT_EQ(plan.stored_bytes, stored);
  EXPECT_EQ(count_in_place(plan), 1u) << "wanted once, it goes in place";
}

/// Places tensors in the arena at odd addresses, congruent ones, or back to back.
std::vector<PlanTensor> place_randomly(const PlanFixture& fixture, const PlanOptions& options,
                                       Arena& arena, size_t arena_bytes,
                                       std::mt19937_64& generator) {
  std::vector<uint32_t> order;
  for (uint32_t i = 0; i < fixture.tensor_count(); ++i) {
    if (generator() % 4 != 0) order.push_back(i);
    if (generator() % 16 == 0) order.push_back(i);
  }
  if (generator() % 2 == 0) std::shuffle(order.begin(), order.end(), generator);
  std::vector<PlanTensor> placed;
  uint64_t at = 0;
  for (uint32_t number : order) {
    const uint64_t bytes = fixture.tensor(number).data.size();
    const uint64_t mode = generator() % 3;
    if (mode == 0) at += generator() % 9;
    if (mode == 1 && bytes > 0) {
      at = align_up(at, options.alignment) +
           (options.base_offset + fixture.first_offset(number)) % options.alignment;
    }
    EXPECT_LE(at + bytes, arena_bytes);
    placed.push_back({number, arena.data() + at, generator() % 8 != 0});
    at += bytes;
  }
  return placed;
}

class ReadPlanRandom : public testing::TestWithParam<uint64_t> {};

TEST_P(ReadPlanRandom, EveryByteOnceAndRight) {
  std::mt19937_64 generator(GetParam());
  std::vector<FixtureTensor> tensors;
  for (int i = 0; i < 24; ++i) {
    const size_t sizes[] = {generator() % 3, generator() % 5000, generator() % 400000,
                            (generator() % 40) * 4096};
    const size_t bytes = sizes[generator() % 4];
    const uint64_t chunk_bytes = (4u << 10) << (generator() % 7);
    const std::string name = "t" + std::to_string(i);
    tensors.push_back(generator() % 2 == 0 ? raw_tensor(name, bytes, chunk_bytes)
                                           : coded_tensor(name, bytes, chunk_bytes));
    if (i > 0 && generator() % 4 == 0) make_duplicate(tensors, generator() % i);
  }
  PlanFixture fixture(model_of(std::move(tensors)));
  constexpr size_t kArenaBytes = 8u << 20;
  for (uint32_t alignment : {1u, 512u, 4096u, 16384u}) {
    for (int round = 0; round < 2; ++round) {
      PlanOptions options;
      options.alignment = alignment;
      options.base_offset = generator() % 3 == 0 ? 0 : generator() % 100000;
      options.read_bytes = static_cast<uint32_t>((64u << 10) + generator() % (1u << 20));
      options.gap_bytes = static_cast<uint32_t>(generator() % 3 * 20000);
      Arena arena(kArenaBytes);
      const auto placed = place_randomly(fixture, options, arena, kArenaBytes, generator);
      ASSERT_NO_FATAL_FAILURE(run_plan(fixture, options, arena, placed))
          << "seed " << GetParam() << " alignment " << alignment << " round " << round;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ReadPlanRandom, testing::Range<uint64_t>(1, 7));

}  // namespace
}  // namespace qload::test
