#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "qload/packed.h"
#include "runtime/load/load_call.h"
#include "runtime/load/memory_budget.h"
#include "runtime/load/packed_state.h"
#include "runtime/plan/packed_plan.h"

namespace qload {

using internal::PackedState;

Result<std::unique_ptr<PackedState>> internal::load_packed_state(LoaderState& state,
                                                                 const ModelState& model,
                                                                 std::span<const uint32_t> numbers,
                                                                 const LoadOptions& options,
                                                                 BlockSource source) {
  const auto begin = std::chrono::steady_clock::now();
  QLOAD_CHECK(check_load_options(options));
  LoadStatistics own_statistics;
  LoadStatistics& statistics = options.statistics != nullptr ? *options.statistics : own_statistics;
  statistics = {};
  const uint64_t alignment = model.container.superblock.alignment;
  auto layout = lay_out_packed(model.container.index, numbers, alignment);
  if (!layout.ok()) return layout.error().at(quote(model.container.file.name()));
  auto packed = std::make_unique<PackedState>();
  packed->model = &model;
  packed->memory.pool = state.blocks;
  DestinationBlock& block = packed->memory.block;
  QLOAD_TRY(block, acquire_block(state, model, numbers,
                                 {layout->block_bytes, alignment, options.pinning,
                                  options.huge_pages, source},
                                 options.allocator));
  std::vector<LoadTarget> targets;
  for (size_t i = 0; i < numbers.size(); ++i) {
    std::byte* const first = block.data() + layout->offsets[i];
    packed->store.runs.push_back({numbers[i], first});
    packed->tensors.push_back(&model.tensors[numbers[i]]);
    if (model.tensors[numbers[i]].bytes == 0) continue;
    targets.push_back({numbers[i], first, block.direct_allowed()});
  }
  // Tensors that share their chunks are one target.
  std::stable_sort(targets.begin(), targets.end(),
                   [](const LoadTarget& a, const LoadTarget& b) { return a.data < b.data; });
  const auto same = [](const LoadTarget& a, const LoadTarget& b) { return a.data == b.data; };
  targets.erase(std::unique(targets.begin(), targets.end(), same), targets.end());
  QLOAD_CHECK(load_block(state, model, targets, block, report_to(statistics, options), begin,
                         TargetForm::kStored));
  packed->store.checked = options.verify != Verify::kIndexOnly;
  return packed;
}

PackedWeights::PackedWeights(std::unique_ptr<PackedState> state) : state_(std::move(state)) {}
PackedWeights::~PackedWeights() = default;
PackedWeights::PackedWeights(PackedWeights&&) noexcept = default;
PackedWeights& PackedWeights::operator=(PackedWeights&&) noexcept = default;

std::span<const TensorInfo* const> PackedWeights::tensors() const { return state_->tensors; }

const TensorInfo* PackedWeights::find(std::string_view name) const {
  const auto number = state_->model->container.index.find(name);
  if (!number || state_->store.find(*number) == nullptr) return nullptr;
  return &state_->model->tensors[*number];
}

uint64_t PackedWeights::stored_bytes() const { return state_->memory.block.bytes(); }

Result<PackedWeights> Loader::load_packed(const Model& model, const LoadOptions& options) {
  return internal::without_throwing([&]() -> Result<PackedWeights> {
    std::vector<uint32_t> numbers(model.tensors().size());
    std::iota(numbers.begin(), numbers.end(), 0u);
    QLOAD_TRY(auto packed, load_packed_state(*state_, model.state(), numbers, options,
                                             internal::BlockSource::kAny));
    return PackedWeights(std::move(packed));
  });
}

Result<PackedWeights> Loader::load_packed(const Model& model,
                                          std::span<const std::string_view> names,
                                          const LoadOptions& options) {
  return internal::without_throwing([&]() -> Result<PackedWeights> {
    QLOAD_TRY(const auto numbers, internal::find_tensors(model.state(), names));
    QLOAD_TRY(auto packed, load_packed_state(*state_, model.state(), numbers, options,
                                             internal::BlockSource::kAny));
    return PackedWeights(std::move(packed));
  });
}

Status Loader::decode(const PackedWeights& packed, std::span<const Destination> destinations,
                      const LoadOptions& options) {
  return internal::without_throwing([&]() -> Status {
    const auto begin = std::chrono::steady_clock::now();
    if (options.statistics != nullptr) *options.statistics = {};
    const PackedState& from = packed.state();
    QLOAD_TRY(const auto targets, internal::find_targets(*from.model, destinations));
    std::vector<uint32_t> numbers;
    numbers.reserve(targets.size());
    for (const internal::LoadTarget& target : targets) {
      if (from.store.find(target.tensor) == nullptr) {
        return Error(ErrorCode::kNotFound,
                     text("tensor ", quote(from.model->tensors[target.tensor].name),
                          " is not among the packed weights"));
      }
      numbers.push_back(target.tensor);
    }
    QLOAD_CHECK(internal::check_budget_into(*state_, *from.model, numbers));
    return internal::run_decode(*state_, *from.model, from.store, targets, {}, options, begin);
  });
}

}  // namespace qload
