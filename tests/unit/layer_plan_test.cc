// What stays and what comes in portions: by brute force, and at the edges.
#include "runtime/plan/layer_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "format/base/checked.h"
#include "runtime/plan/pass_model.h"
#include "tests/support/layered_model.h"
#include "tests/unit/plan_simulator.h"

namespace qload {
namespace {

using test::FixtureModel;
using test::FixtureTensor;
using test::PlanFixture;

constexpr uint32_t kAlignment = 4096;

/// `layers` groups of tensors of given sizes; coded ones compress, flat ones do not.
FixtureModel make_model(uint32_t layers, uint64_t coded_bytes, uint64_t flat_bytes,
                        uint64_t embed_bytes = 0) {
  FixtureModel model;
  const auto add = [&](std::string name, uint64_t bytes, bool coded, uint32_t layer) {
    FixtureTensor tensor;
    tensor.name = std::move(name);
    tensor.data = coded ? test::gaussian_int8(bytes, 6.0, bytes + layer)
                        : test::random_bytes(bytes, bytes + layer);
    tensor.codec = coded ? CodecId::kLaneHuffman : CodecId::kStore;
    tensor.chunk_bytes = 64u << 10;
    if (layer != kNoLayer) tensor.stack = 0;
    tensor.layer = layer;
    model.tensors.push_back(std::move(tensor));
  };
  if (embed_bytes > 0) add("embed", embed_bytes, true, kNoLayer);
  for (uint32_t layer = 0; layer < layers; ++layer) {
    add("layers." + std::to_string(layer) + ".coded", coded_bytes, true, layer);
    if (flat_bytes > 0) {
      add("layers." + std::to_string(layer) + ".flat", flat_bytes, false, layer);
    }
  }
  return model;
}

std::vector<uint32_t> all_groups(const Index& index) {
  std::vector<uint32_t> groups(index.groups().size());
  std::iota(groups.begin(), groups.end(), 0u);
  return groups;
}

struct Asked {
  explicit Asked(const Index& index)
      : groups(all_groups(index)), fixed(index.tensors().size(), Tier::kStorage) {
    request.groups = groups;
    request.fixed = fixed;
    request.alignment = kAlignment;
  }
  std::vector<uint32_t> groups;
  std::vector<Tier> fixed;
  TierRequest request;
};

/// Memory and reading of a plan, added up anew.
void expect_consistent(const Index& index, const TierRequest& request, const TierPlan& plan) {
  uint64_t decoded = 0;
  uint64_t packed = 0;
  uint64_t read = 0;
  uint64_t decoding = 0;
  std::vector<uint64_t> portions;
  for (const uint32_t group : request.groups) {
    const GroupRecord& record = index.groups()[group];
    uint64_t portion = 0;
    for (uint64_t i = 0; i < record.tensor_count; ++i) {
      const auto number = static_cast<size_t>(record.first_tensor + i);
      const TensorRecord& tensor = index.tensors()[number];
      const uint64_t bytes = align_up(tensor.bytes, kAlignment);
      if (plan.tiers[number] == Tier::kDecoded) {
        decoded += bytes;
        continue;
      }
      portion += bytes;
      decoding += tensor.bytes;
      if (plan.tiers[number] == Tier::kStorage) read += tensor.stored_bytes;
      if (plan.tiers[number] == Tier::kPacked) {
        packed += packed_memory_bytes(index, tensor, kAlignment);
      }
    }
    if (portion > 0) portions.push_back(portion);
  }
  EXPECT_EQ(plan.decoded_bytes, decoded);
  EXPECT_EQ(plan.packed_bytes, packed);
  EXPECT_EQ(plan.estimate.storage_bytes, read);
  EXPECT_EQ(plan.estimate.decoded_bytes, decoding);
  uint64_t two = 0;
  for (size_t i = 0; i < portions.size(); ++i) {
    two = std::max(two, portions[i] + portions[(i + 1) % portions.size()]);
  }
  EXPECT_EQ(plan.overlap_bytes, two);
  EXPECT_LE(decoded + packed + plan.portion_bytes, request.budget_bytes);
}

TEST(TierPlan, FillsTheBudgetAndNeverExceedsIt) {
  const PlanFixture fixture(make_model(8, 300'000, 50'000, 900'000));
  Asked asked(fixture.index());
  uint64_t before = ~uint64_t{0};
  bool overlapped = false;
  for (uint64_t budget = 950'000; budget < 5'000'000; budget += 100'000) {
    asked.request.budget_bytes = budget;
    const TierPlan plan = plan_tiers(fixture.index(), asked.request);
    ASSERT_EQ(plan.bytes_needed, 0u) << budget;
    expect_consistent(fixture.index(), asked.request, plan);
    // The first budget that holds two portions buys overlap with reading.
    const bool overlaps = plan.decoded_bytes + plan.overlap_bytes <= budget;
    EXPECT_GE(overlaps, overlapped) << budget;
    EXPECT_TRUE(overlaps != overlapped || plan.estimate.storage_bytes <= before) << budget;
    overlapped = overlaps;
    before = plan.estimate.storage_bytes;
  }
  EXPECT_EQ(before, 0u) << "all of it fits 5 MB";
}

TEST(TierPlan, WhatDoesNotCompressStaysFirst) {
  const PlanFixture fixture(make_model(6, 400'000, 200'000));
  Asked asked(fixture.index());
  // One by one only four would stay: portions shrink with the sixth. All six and two portions of
  // what is left take 2,031,616.
  asked.request.budget_bytes = 2'040'000;
  const TierPlan plan = plan_tiers(fixture.index(), asked.request);
  for (size_t i = 0; i < plan.tiers.size(); ++i) {
    const std::string_view name = fixture.index().name(fixture.index().tensors()[i]);
    EXPECT_EQ(plan.tiers[i], name.ends_with("flat") ? Tier::kDecoded : Tier::kStorage) << name;
  }
}

// An embedding of four layers' size would take four fifths of the memory for portions.
TEST(TierPlan, AnOutlierStaysInsteadOfSettingThePortions) {
  const PlanFixture fixture(make_model(10, 300'000, 0, 1'200'000));
  Asked asked(fixture.index());
  asked.request.budget_bytes = 2'000'000;
  const TierPlan plan = plan_tiers(fixture.index(), asked.request);
  EXPECT_EQ(plan.tiers[0], Tier::kDecoded);
  EXPECT_LT(plan.overlap_bytes, 700'000u);
}

TEST(TierPlan, SaysWhatWouldDo) {
  const PlanFixture fixture(make_model(4, 300'000, 0));
  Asked asked(fixture.index());
  asked.fixed[3] = Tier::kDecoded;
  asked.request.budget_bytes = 400'000;
  const TierPlan refused = plan_tiers(fixture.index(), asked.request);
  EXPECT_EQ(refused.bytes_needed, 2 * align_up(uint64_t{300'000}, kAlignment));
  asked.request.budget_bytes = refused.bytes_needed;
  const TierPlan plan = plan_tiers(fixture.index(), asked.request);
  EXPECT_EQ(plan.bytes_needed, 0u);
  EXPECT_EQ(plan.tiers[3], Tier::kDecoded);
}

TEST(TierPlan, WithoutRoomForTwoPortionsTimesAddUp) {
  const PlanFixture fixture(make_model(6, 400'000, 0));
  Asked asked(fixture.index());
  asked.request.rates = {1e6, 2e6, 3.0};
  asked.request.budget_bytes = 500'000;
  const TierPlan one = plan_tiers(fixture.index(), asked.request);
  ASSERT_EQ(one.bytes_needed, 0u);
  const double loading = std::max(one.estimate.storage_seconds, one.estimate.decode_seconds);
  EXPECT_NEAR(one.estimate.seconds, loading + 3.0, 6 * kRefillSeconds + 1e-9);
  asked.request.budget_bytes = 900'000;
  const TierPlan two = plan_tiers(fixture.index(), asked.request);
  EXPECT_GE(two.estimate.seconds, two.estimate.decode_seconds + 3.0);
  EXPECT_LT(two.estimate.seconds, one.estimate.seconds);
}

// Where storage binds, a byte of packed memory saves a stored byte; where decoding binds, only a
// decoded one saves anything. The division is no worse than the best of any prefix by brute force.
TEST(TierPlan, PackedMemoryWhereItPays) {
  const PlanFixture fixture(make_model(12, 300'000, 0));
  const Index& index = fixture.index();
  Asked asked(index);
  asked.request.fill_packed = true;
  for (const double storage_rate : {1e5, 1e7, 1e9}) {
    for (const double decode_rate : {1e5, 1e7, 1e9}) {
      asked.request.budget_bytes = 2'200'000;
      asked.request.rates = {storage_rate, decode_rate, 0.001};
      const TierPlan plan = plan_tiers(index, asked.request);
      expect_consistent(index, asked.request, plan);
      asked.request.fill_packed = false;
      const TierPlan decoded_only = plan_tiers(index, asked.request);
      asked.request.fill_packed = true;
      EXPECT_LE(plan.estimate.seconds, decoded_only.estimate.seconds * 1.0000001);
      const bool has_packed = std::ranges::count(plan.tiers, Tier::kPacked) > 0;
      EXPECT_TRUE(has_packed || storage_rate >= decode_rate / 10);
      if (storage_rate > decode_rate * 10) {
        EXPECT_EQ(plan.estimate.decoded_bytes, decoded_only.estimate.decoded_bytes);
      }
    }
  }
}

TEST(LayerPlan, RangesCoverEveryTensorOnce) {
  const PlanFixture fixture(make_model(5, 700'000, 30'000, 1'000'000));
  const Index& index = fixture.index();
  const std::vector<uint32_t> groups = all_groups(index);
  std::mt19937_64 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<Tier> tiers(index.tensors().size());
    for (Tier& tier : tiers) tier = static_cast<Tier>(random() % 4);
    const uint64_t part_bytes = kAlignment * (16 + random() % 400);
    const LayerPlan plan = make_layer_plan(index, {groups, tiers, part_bytes, kAlignment});
    std::vector<uint64_t> next(index.tensors().size(), 0);
    for (const LayerPart& part : plan.parts) {
      EXPECT_LE(part.bytes, part_bytes);
      EXPECT_LT(part.part, part.part_count);
      uint64_t end = 0;
      for (const PartRange& range : plan.ranges_of(part)) {
        EXPECT_NE(tiers[range.tensor], Tier::kSkipped);
        EXPECT_EQ(range.offset, next[range.tensor]);
        next[range.tensor] += range.bytes;
        if (tiers[range.tensor] == Tier::kDecoded) {
          EXPECT_EQ(part.part, 0u);
          continue;
        }
        EXPECT_EQ(range.part_offset % kAlignment, 0u);
        EXPECT_GE(range.part_offset, end);
        end = range.part_offset + range.bytes;
        EXPECT_LE(end, part.bytes);
        const auto chunks = index.chunks_of(index.tensors()[range.tensor]);
        if (range.chunks.count == ChunkRange::kAllChunks) continue;
        EXPECT_EQ(chunks[range.chunks.first].decoded_offset, range.offset);
      }
    }
    for (size_t i = 0; i < next.size(); ++i) {
      EXPECT_EQ(next[i], tiers[i] == Tier::kSkipped ? 0 : index.tensors()[i].bytes);
    }
  }
}

}  // namespace
}  // namespace qload
