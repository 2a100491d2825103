// Where stored bytes lie in memory, and the plans that bring them in as they are.
#include "runtime/plan/packed_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>

#include "format/base/checked.h"
#include "tests/support/container_fixtures.h"
#include "tests/support/fixture_model.h"
#include "tests/support/test_files.h"
#include "tests/unit/plan_simulator.h"

namespace qload::test {
namespace {

using ::testing::HasSubstr;

FixtureTensor fixture_tensor(size_t number, size_t bytes, bool coded, uint64_t chunk_bytes) {
  FixtureTensor tensor;
  tensor.name = "t" + std::to_string(number);
  tensor.data = coded ? gaussian_int8(bytes, 6.0, bytes + 1) : random_bytes(bytes, bytes + 1);
  tensor.codec = coded ? CodecId::kZstd : CodecId::kStore;
  tensor.chunk_bytes = chunk_bytes;
  return tensor;
}

/// Coded and raw tensors of every size, an empty one and duplicates among them.
FixtureModel mixed_model(uint64_t seed) {
  std::mt19937_64 generator(seed);
  FixtureModel model;
  model.options.extent_bytes = 1u << 20;
  for (size_t i = 0; i < 24; ++i) {
    const size_t sizes[] = {generator() % 3, generator() % 5000, generator() % 400'000,
                            (generator() % 100) * 4096};
    model.tensors.push_back(fixture_tensor(i, sizes[generator() % 4], generator() % 2 == 0,
                                           (4u << 10) << (generator() % 7)));
    if (i == 0 || generator() % 4 != 0) continue;
    const auto original = static_cast<uint32_t>(generator() % i);
    model.tensors.back().data = model.tensors[original].data;
    model.tensors.back().duplicate_of = original;
  }
  return model;
}

std::vector<uint32_t> all_numbers(const Index& index) {
  std::vector<uint32_t> numbers(index.tensors().size());
  std::iota(numbers.begin(), numbers.end(), 0u);
  return numbers;
}

constexpr uint64_t kAlignment = 4096;

/// Where every chunk of the layout lies agrees with the file, and no two overlap.
void check_layout(const Index& index, std::span<const uint32_t> tensors,
                  const PackedLayout& layout) {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  uint64_t stored_bytes = 0;
  std::vector<uint64_t> seen;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorRecord& tensor = index.tensors()[tensors[i]];
    if (tensor.chunk_count == 0) continue;
    if (std::ranges::count(seen, tensor.first_chunk) > 0) continue;
    seen.push_back(tensor.first_chunk);
    stored_bytes += tensor.stored_bytes;
    const auto chunks = index.chunks_of(tensor);
    for (const ChunkRecord& chunk : chunks) {
      const uint64_t place = layout.offsets[i] + (chunk.offset - chunks[0].offset);
      EXPECT_EQ(place % kAlignment, chunk.offset % kAlignment);
      ranges.emplace_back(place, place + chunk.stored_bytes);
    }
  }
  std::ranges::sort(ranges);
  for (size_t i = 1; i < ranges.size(); ++i) EXPECT_LE(ranges[i - 1].second, ranges[i].first);
  EXPECT_EQ(layout.stored_bytes, stored_bytes);
  EXPECT_EQ(layout.block_bytes, ranges.empty() ? 0 : ranges.back().second);
  EXPECT_LE(layout.block_bytes, stored_bytes + 2 * kAlignment * (ranges.size() + 1));
}

TEST(PackedLayout, NothingTakesNothing) {
  PlanFixture fixture({.tensors = {fixture_tensor(0, 0, true, 4096)}});
  const uint32_t empty[] = {0};
  auto layout = lay_out_packed(fixture.index(), empty, kAlignment);
  ASSERT_TRUE(layout.ok());
  EXPECT_EQ(layout->block_bytes, 0u);
  EXPECT_EQ(layout->offsets, std::vector<uint64_t>{0});
  EXPECT_EQ(lay_out_packed(fixture.index(), {}, kAlignment)->block_bytes, 0u);
}

class PackedPlan : public testing::TestWithParam<uint64_t> {};

TEST_P(PackedPlan, EveryStoredByteOnceAndRight) {
  const PlanFixture fixture(mixed_model(GetParam()));
  std::mt19937_64 generator(GetParam());
  for (int round = 0; round < 6; ++round) {
    std::vector<uint32_t> wanted;
    for (const uint32_t number : all_numbers(fixture.index())) {
      if (round == 0 || generator() % 3 != 0) wanted.push_back(number);
    }
    auto layout = lay_out_packed(fixture.index(), wanted, kAlignment);
    ASSERT_TRUE(layout.ok()) << layout.error().message();
    check_layout(fixture.index(), wanted, *layout);
    PlanOptions options;
    options.stored = true;
    options.alignment = round % 2 == 0 ? 4096 : 1;
    options.gap_bytes = static_cast<uint32_t>(generator() % 3 * 20'000);
    options.read_bytes = static_cast<uint32_t>((64u << 10) + generator() % (512u << 10));
    Arena arena(layout->block_bytes);
    std::vector<PlanTensor> placed;
    std::vector<uint64_t> runs;
    for (size_t i = 0; i < wanted.size(); ++i) {
      const TensorRecord& tensor = fixture.index().tensors()[wanted[i]];
      if (tensor.chunk_count == 0 || std::ranges::count(runs, tensor.first_chunk) > 0) continue;
      runs.push_back(tensor.first_chunk);
      placed.push_back({wanted[i], arena.data() + layout->offsets[i]});
    }
    const ReadPlan plan = make_read_plan(fixture.index(), placed, options);
    EXPECT_TRUE(plan.chunks.empty());
    EXPECT_EQ(plan.stored_bytes, layout->stored_bytes);
    ASSERT_NO_FATAL_FAILURE(PlanRun(fixture, options, arena).run(plan, placed))
        << "seed " << GetParam() << " round " << round;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, PackedPlan, testing::Range<uint64_t>(1, 9));

// The point of the layout: whole extents land in one piece, padding included.
TEST(PackedPlan, AWholeModelIsReadInPlace) {
  FixtureModel model;
  model.options.extent_bytes = 256u << 10;
  for (size_t i = 0; i < 12; ++i) {
    model.tensors.push_back(fixture_tensor(i, 300'001, i % 2 == 0, 64u << 10));
  }
  const PlanFixture fixture(std::move(model));
  const auto wanted = all_numbers(fixture.index());
  auto layout = lay_out_packed(fixture.index(), wanted, kAlignment);
  ASSERT_TRUE(layout.ok());
  Arena arena(layout->block_bytes);
  std::vector<PlanTensor> placed;
  for (const uint32_t number : wanted) {
    placed.push_back({number, arena.data() + layout->offsets[number]});
  }
  PlanOptions options;
  options.stored = true;
  const ReadPlan plan = make_read_plan(fixture.index(), placed, options);
  EXPECT_GE(plan.in_place_bytes + options.alignment, plan.read_bytes) << "but for the end";
  PlanRun(fixture, options, arena).run(plan, placed);
  // Without padding between them, only where the file has none.
  options.gap_bytes = 0;
  Arena second(layout->block_bytes);
  for (PlanTensor& one : placed) one.data = second.data() + layout->offsets[one.tensor];
  const ReadPlan torn = make_read_plan(fixture.index(), placed, options);
  EXPECT_GT(torn.reads.size(), plan.reads.size());
  PlanRun(fixture, options, second).run(torn, placed);
}

TEST(PackedPlan, ADecodePlanHasEveryChunkAndNoRead) {
  const PlanFixture fixture(mixed_model(3));
  Arena arena(8u << 20);
  std::vector<PlanTensor> placed;
  uint64_t at = 0;
  for (const uint32_t number : all_numbers(fixture.index())) {
    placed.push_back({number, arena.data() + at});
    at += fixture.tensor(number).data.size();
  }
  const ReadPlan plan = make_decode_plan(fixture.index(), placed);
  EXPECT_TRUE(plan.reads.empty());
  EXPECT_EQ(plan.decoded_bytes, at);
  EXPECT_TRUE(std::ranges::is_sorted(plan.chunks, {}, &PlanChunk::chunk));
  DecodeContext context;
  for (const PlanChunk& planned : plan.chunks) {
    const ChunkRecord& chunk = fixture.index().chunks()[planned.chunk];
    std::vector<std::byte> decoded(chunk.decoded_bytes);
    const auto stored = std::span(fixture.bytes()).subspan(chunk.offset, chunk.stored_bytes);
    ASSERT_TRUE(decode_chunk(context, fixture.index().form(chunk), stored, decoded).ok());
    arena.write(planned.destination, decoded);
  }
  EXPECT_TRUE(arena.written_once(at));
  for (const PlanTensor& one : placed) {
    const auto& expected = fixture.tensor(one.tensor).data;
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), one.data));
  }
}

/// A container of one tensor of `gaps.size()` + 1 chunks, each gaps[i] behind the one before it.
/// The index is sound; the file need not exist.
Index index_with_gaps(std::span<const uint64_t> gaps) {
  TempDirectory directory;
  FixtureModel model;
  model.options.extent_bytes = 4096;  // An extent for each chunk.
  model.tensors = {fixture_tensor(0, 4096 * (gaps.size() + 1), false, 4096)};
  write_container(directory / "m.qpk", model);
  auto container = read_container(File::open(directory / "m.qpk").value());
  EXPECT_TRUE(container.ok());
  EditableIndex index(*container);
  uint64_t moved = 0;
  for (size_t i = 0; i < index.extents.size(); ++i) {
    if (i > 0 && i <= gaps.size()) moved += gaps[i - 1];
    index.extents[i].offset += moved;
    index.chunks[i].offset += moved;
  }
  index.superblock.index_offset += moved;
  index.superblock.container_bytes += moved;
  auto bytes = index.seal();
  auto parsed = Index::parse(std::move(bytes), index.superblock);
  EXPECT_TRUE(parsed.ok()) << parsed.error().message();
  return std::move(parsed).value();
}

// Memory follows the file's distances, and a sparse file's may be anything.
TEST(PackedLayout, HostileDistancesAreRefused) {
  const uint32_t tensors[] = {0};
  const uint64_t small[] = {8192, 8192, 8192};  // 4 chunks may have 32768 together.
  const Index fits = index_with_gaps(small);
  auto layout = lay_out_packed(fits, tensors, kAlignment);
  ASSERT_TRUE(layout.ok()) << layout.error().message();
  EXPECT_EQ(layout->block_bytes, 4 * 4096u + 3 * 8192u);
  const uint64_t edge[] = {8192, 8192, 16384};
  EXPECT_TRUE(lay_out_packed(index_with_gaps(edge), tensors, kAlignment).ok());
  for (const uint64_t distance : {uint64_t{16384 + 4096}, uint64_t{1} << 40, uint64_t{1} << 62}) {
    const uint64_t wide[] = {8192, 8192, distance};
    const Index index = index_with_gaps(wide);
    auto refused = lay_out_packed(index, tensors, kAlignment);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code(), ErrorCode::kUnsupported);
    EXPECT_THAT(std::string(refused.error().message()),
                HasSubstr("\"t0\": its 16384 stored bytes lie scattered"));
    EXPECT_THAT(std::string(refused.error().message()), HasSubstr("at most 32768"));
  }
}

}  // namespace
}  // namespace qload::test
