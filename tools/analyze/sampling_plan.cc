#include "tools/analyze/sampling_plan.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>

#include "format/base/assert.h"
#include "format/pack/tensor_role.h"

namespace qload::analyze {
namespace {

// Headers are one chunk or a few; beyond this a header of 100 MB would be most of the work.
constexpr uint64_t kKeptChunksMax = 64;
// A variance needs two; that of four is within a factor of two or three.
constexpr uint64_t kFamilyChunksMin = 4;

/// splitmix64 (S. Vigna): spreads a counter over 64 bits.
uint64_t scatter(uint64_t value) {
  value += 0x9E3779B97F4A7C15;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
  return value ^ (value >> 31);
}

/// Calls take(position) for `wanted` of the numbers below `count`, increasing: one of each of as
/// many stretches of equal length. REQUIRES: the product of the two is below 2^64.
template <class Take>
void spread(uint64_t count, uint64_t wanted, uint64_t seed, Take take) {
  QLOAD_ASSERT(wanted <= count);
  for (uint64_t i = 0; i < wanted; ++i) {
    const uint64_t begin = count * i / wanted;
    const uint64_t end = count * (i + 1) / wanted;
    take(begin + scatter(seed + i) % (end - begin));
  }
}

uint64_t wanted_count(uint64_t count, double share) {
  const auto wanted = static_cast<uint64_t>(std::ceil(static_cast<double>(count) * share));
  return std::min(count, std::max(wanted, kFamilyChunksMin));
}

double share_of(uint64_t bytes_max, uint64_t bytes) {
  if (bytes <= bytes_max) return 1.0;
  return static_cast<double>(bytes_max) / static_cast<double>(bytes);
}

/// The chunks of one family, in the order of items: a place in it is a run and a chunk.
class FamilyChunks {
 public:
  void add(uint32_t run, uint64_t chunk_count) {
    if (chunk_count == 0) return;
    runs_.push_back(run);
    ends_.push_back(count() + chunk_count);
  }
  uint64_t count() const { return ends_.empty() ? 0 : ends_.back(); }

  PlannedChunk chunk(std::span<const ChunkRun> runs, uint64_t place) const {
    const auto at = std::ranges::upper_bound(ends_, place) - ends_.begin();
    const uint32_t run = runs_[at];
    const uint64_t begin = at == 0 ? 0 : ends_[at - 1];
    return {.item = runs[run].first_item + (place - begin), .run = run};
  }

 private:
  std::vector<uint32_t> runs_;
  std::vector<uint64_t> ends_;
};

}  // namespace

RunFamilies find_families(const ChunkedModel& model) {
  using Key = std::tuple<ContentKind, DType, std::string>;
  std::map<Key, uint32_t> known;
  RunFamilies families;
  for (const ChunkRun& run : model.runs()) {
    const Key key{run.kind, run.dtype, name_without_numbers(run.name)};
    families.of_run.push_back(known.try_emplace(key, known.size()).first->second);
  }
  families.count = static_cast<uint32_t>(known.size());
  return families;
}

SamplingPlan plan_sampling(const ChunkedModel& model, const RunFamilies& families,
                           uint64_t read_bytes_max, uint64_t measured_bytes_max) {
  const std::span<const ChunkRun> runs = model.runs();
  std::vector<FamilyChunks> chunks(families.count);
  std::vector<bool> kept(families.count);
  uint64_t bytes = 0;
  for (uint32_t run = 0; run < runs.size(); ++run) {
    chunks[families.of_run[run]].add(run, runs[run].chunk_count);
    if (runs[run].kind == ContentKind::kKept) {
      kept[families.of_run[run]] = true;
    } else if (runs[run].chunk_count > 0) {
      bytes += runs[run].bytes;
    }
  }
  const double read_share = share_of(read_bytes_max, bytes);
  const double measured_share = share_of(measured_bytes_max, std::min(bytes, read_bytes_max));
  SamplingPlan plan;
  for (uint32_t family = 0; family < families.count; ++family) {
    const uint64_t count = chunks[family].count();
    const uint64_t read =
        kept[family] ? std::min(count, kKeptChunksMax) : wanted_count(count, read_share);
    const uint64_t measured = kept[family] ? read : wanted_count(read, measured_share);
    const size_t first = plan.chunks.size();
    // Seeds of their own, so that families do not all take the same places.
    spread(count, read, scatter(2 * uint64_t{family}),
           [&](uint64_t place) { plan.chunks.push_back(chunks[family].chunk(runs, place)); });
    spread(read, measured, scatter(2 * uint64_t{family} + 1),
           [&](uint64_t place) { plan.chunks[first + place].measured = true; });
  }
  std::ranges::sort(plan.chunks, {}, &PlannedChunk::item);
  for (const PlannedChunk& chunk : plan.chunks) {
    const ChunkRun& run = runs[chunk.run];
    const uint64_t chunk_bytes = model.chunk_bytes(run, chunk.item - run.first_item);
    plan.bytes += chunk_bytes;
    if (chunk.measured) plan.measured_bytes += chunk_bytes;
  }
  return plan;
}

}  // namespace qload::analyze
