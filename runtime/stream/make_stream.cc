// Loader::stream: what stays, what comes by portions, and the memory for both.
#include <fnmatch.h>

#include <algorithm>
#include <string>
#include <utility>

#include "format/base/checked.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "runtime/load/chunk_sharing.h"
#include "runtime/load/load_call.h"
#include "runtime/load/memory_budget.h"
#include "runtime/stream/stream_state.h"

namespace qload {

namespace {

using internal::LoaderState;
using internal::ModelState;
using internal::StreamState;

// What a device is taken for that nobody measured: a fast eMMC or slow SSD, and a core that decodes
// with the slower kernels (docs/performance.md, "Codecs").
constexpr double kStorageRate = 1e9;
constexpr double kDecodeRatePerThread = 2e9;

Error bad_option(std::string_view name, std::string_view what) {
  return Error(ErrorCode::kInvalidArgument, text("StreamOptions::", name, " ", what));
}

Status check_options(const StreamOptions& options) {
  if (options.budget_bytes == 0) return bad_option("budget_bytes", "is 0: it is required");
  if (options.load.statistics != nullptr) {
    return bad_option("load", "has statistics: a stream reports by last_pass()");
  }
  const StreamRates& rates = options.rates;
  if (!(rates.storage_rate >= 0) || !(rates.decode_rate >= 0) || !(rates.compute_seconds >= 0)) {
    return bad_option("rates", "has a negative value");
  }
  return internal::check_load_options(options.load);
}

Result<std::vector<uint32_t>> list_groups(const Index& index, std::span<const uint32_t> order) {
  const size_t count = index.groups().size();
  std::vector<uint32_t> groups(order.begin(), order.end());
  if (order.empty()) {
    for (uint32_t group = 0; group < count; ++group) groups.push_back(group);
    return groups;
  }
  std::vector<bool> seen(count, false);
  for (const uint32_t group : groups) {
    if (group >= count) {
      return bad_option("order", text("names group ", group, ", the model has ", count));
    }
    if (seen[group]) return bad_option("order", text("names group ", group, " twice"));
    seen[group] = true;
  }
  return groups;
}

/// Whether a tensor matches; those that do are marked.
bool mark_pattern(const ModelState& model, std::string_view pattern, Tier tier,
                  std::vector<Tier>& tiers) {
  if (pattern.find_first_of("*?[\\") == std::string_view::npos) {
    const auto number = model.container.index.find(pattern);
    if (number) tiers[*number] = tier;
    return number.has_value();
  }
  const std::string wanted(pattern);
  bool found = false;
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    if (fnmatch(wanted.c_str(), std::string(model.tensors[i].name).c_str(), 0) != 0) continue;
    found = true;
    tiers[i] = tier;
  }
  return found;
}

/// Marks the tensors that patterns of shell wildcards match.
Status mark_matches(const ModelState& model, std::span<const std::string_view> patterns,
                    std::string_view option, Tier tier, std::vector<Tier>& tiers) {
  for (const std::string_view pattern : patterns) {
    if (!mark_pattern(model, pattern, tier, tiers)) {
      return Error(ErrorCode::kNotFound,
                   text("StreamOptions::", option, ": no tensor matches ", quote(pattern)));
    }
  }
  return Ok{};
}

PassRates choose_rates(const LoaderState& loader, const StreamRates& given) {
  PassRates rates;
  rates.storage_rate = given.storage_rate > 0 ? given.storage_rate : kStorageRate;
  rates.decode_rate = given.decode_rate > 0 ? given.decode_rate
                                            : kDecodeRatePerThread * loader.pool->thread_count();
  rates.compute_seconds = given.compute_seconds;
  const uint32_t processors = loader.pool->thread_count();
  if (given.compute_threads != 0 && given.compute_threads < processors) {
    rates.compute_share = static_cast<double>(given.compute_threads) / processors;
  }
  return rates;
}

Error budget_too_small(const ModelState& model, const StreamOptions& options, uint64_t staging,
                       uint64_t needed) {
  return Error(ErrorCode::kBudgetTooSmall,
               text(quote(model.container.file.name()), ": a budget of ", options.budget_bytes,
                    " bytes does not hold staging memory of ", staging,
                    ", what is to stay resident and the largest layer or part: ", staging + needed,
                    " bytes would do"));
}

/// A part holds any chunk.
Result<uint64_t> choose_part_bytes(const Index& index, uint64_t asked, uint32_t alignment) {
  uint64_t largest = alignment;
  for (const ChunkRecord& chunk : index.chunks()) {
    largest = std::max<uint64_t>(largest, align_up(chunk.decoded_bytes, alignment));
  }
  if (asked >= largest) return align_down(asked, alignment);
  return bad_option("part_bytes",
                    text("is ", asked, ", this model's largest chunk needs ", largest));
}

/// A plan has no more ranges than its tensors have chunks. Whole tensors are nowhere in memory that
/// it could be measured by.
Status check_sharing(const ModelState& model, std::span<const uint32_t> groups) {
  const Index& index = model.container.index;
  uint64_t chunks = 0;
  for (const uint32_t number : groups) {
    const GroupRecord& group = index.groups()[number];
    for (uint64_t i = 0; i < group.tensor_count; ++i) {
      chunks += index.tensors()[group.first_tensor + i].chunk_count;
    }
  }
  return internal::check_chunk_sharing(model, chunks, 0);
}

/// Fills in tiers, plan and facts.
Status plan_stream(const StreamOptions& options, StreamState& state) {
  const Index& index = state.model->container.index;
  const uint32_t alignment = state.model->container.superblock.alignment;
  QLOAD_TRY(const std::vector<uint32_t> groups, list_groups(index, options.order));
  QLOAD_CHECK(check_sharing(*state.model, groups));
  std::vector<Tier> fixed(index.tensors().size(), Tier::kStorage);
  QLOAD_CHECK(mark_matches(*state.model, options.resident, "resident", Tier::kDecoded, fixed));
  QLOAD_CHECK(mark_matches(*state.model, options.skip, "skip", Tier::kSkipped, fixed));

  TierRequest request;
  const uint64_t staging = state.loader->staging.memory().size();
  request.budget_bytes = options.budget_bytes - std::min(options.budget_bytes, staging);
  request.groups = groups;
  request.fixed = fixed;
  if (options.part_bytes != 0) {
    QLOAD_TRY(request.part_bytes, choose_part_bytes(index, options.part_bytes, alignment));
  }
  request.alignment = alignment;
  request.fill_decoded = options.fill_resident;
  request.fill_packed = options.keep_packed;
  request.rates = choose_rates(*state.loader, options.rates);
  const TierPlan plan = plan_tiers(index, request);
  if (plan.bytes_needed != 0) {
    return budget_too_small(*state.model, options, staging, plan.bytes_needed);
  }
  state.tiers = plan.tiers;
  state.plan = make_layer_plan(index, {groups, state.tiers, request.part_bytes, alignment});
  if (state.plan.parts.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 text(quote(state.model->container.file.name()),
                      ": the stream has no layer: order and skip leave no tensor"));
  }
  StreamFacts& facts = state.facts;
  facts.budget_bytes = options.budget_bytes;
  facts.staging_bytes = staging;
  facts.resident_bytes = plan.decoded_bytes;
  facts.packed_bytes = plan.packed_bytes;
  const uint64_t left = request.budget_bytes - plan.decoded_bytes - plan.packed_bytes;
  facts.overlaps = plan.overlap_bytes <= left;
  facts.parts_per_pass = static_cast<uint32_t>(state.plan.parts.size());
  facts.storage_bytes_per_pass = plan.estimate.storage_bytes;
  facts.decoded_bytes_per_pass = plan.estimate.decoded_bytes;
  facts.seconds_per_pass = plan.estimate.seconds;
  uint64_t pass_bytes = 0;
  for (const LayerPart& part : state.plan.parts) {
    pass_bytes += part.bytes;
    state.range_count_max = std::max(state.range_count_max, part.range_count);
  }
  // A whole pass ahead is enough.
  facts.portion_bytes =
      align_down(std::min(left, std::max(2 * pass_bytes, plan.overlap_bytes)), alignment);
  state.total =
      options.passes == 0 ? ~uint64_t{0} : uint64_t{options.passes} * state.plan.parts.size();
  return Ok{};
}

/// Tensors in tier `tier` that some part brings, in load order.
std::vector<uint32_t> numbers_in(const StreamState& state, Tier tier) {
  std::vector<uint32_t> numbers;
  for (const PartRange& range : state.plan.ranges) {
    if (state.tiers[range.tensor] == tier) numbers.push_back(range.tensor);
  }
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

Status allocate_area(const StreamOptions& options, StreamState& state) {
  const std::vector<uint32_t> streamed = numbers_in(state, Tier::kStorage);
  state.area_memory.pool = state.loader->blocks;
  QLOAD_TRY(state.area_memory.block,
            internal::acquire_block(
                *state.loader, *state.model, streamed,
                {state.facts.portion_bytes, state.model->container.superblock.alignment,
                 options.load.pinning, options.load.huge_pages, internal::BlockSource::kFresh},
                options.load.allocator));
  return Ok{};
}

}  // namespace

Result<LayerStream> Loader::stream(const Model& model, const StreamOptions& options) {
  return internal::without_throwing([&]() -> Result<LayerStream> {
    QLOAD_CHECK(check_options(options));
    auto state = std::make_shared<StreamState>();
    state->loader = state_.get();
    state->model = &model.state();
    state->load = options.load;
    state->load.stop = {};
    state->load.on_progress = {};  // It is for what is loaded here.
    QLOAD_CHECK(plan_stream(options, *state));
    LoadOptions load = options.load;
    const std::vector<uint32_t> resident = numbers_in(*state, Tier::kDecoded);
    if (!resident.empty()) {
      QLOAD_TRY(state->resident,
                load_numbers(model, resident, load, internal::BlockSource::kFresh));
    }
    const std::vector<uint32_t> packed = numbers_in(*state, Tier::kPacked);
    if (!packed.empty()) {
      QLOAD_TRY(state->packed, internal::load_packed_state(*state_, model.state(), packed, load,
                                                           internal::BlockSource::kFresh));
    }
    if (options.load.stop.stop_requested()) return Error(ErrorCode::kCancelled, "cancelled");
    if (state->facts.portion_bytes > 0) QLOAD_CHECK(allocate_area(options, *state));
    QLOAD_CHECK(state->start(options.load.stop));
    return LayerStream(std::move(state));
  });
}

}  // namespace qload
