#include "bench/stream/pass_plan.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "runtime/plan/tier_plan.h"

namespace qload::bench {
namespace {

std::vector<PassLayer> list_layers(const Index& index, const std::vector<Tier>& tiers) {
  std::vector<PassLayer> layers;
  for (const GroupRecord& group : index.groups()) {
    PassLayer layer;
    for (uint64_t i = 0; i < group.tensor_count; ++i) {
      const auto tensor = static_cast<uint32_t>(group.first_tensor + i);
      auto& list = tiers[tensor] == Tier::kDecoded ? layer.resident : layer.streamed;
      list.push_back(tensor);
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

}  // namespace

PassPlan plan_all_streamed(const Index& index) {
  return {.layers = list_layers(index, std::vector<Tier>(index.tensors().size(), Tier::kStorage))};
}

Result<PassPlan> plan_as_stream(const Container& container, const PassBudget& budget,
                                uint32_t threads) {
  const Index& index = container.index;
  std::vector<uint32_t> groups;
  for (uint32_t group = 0; group < index.groups().size(); ++group) groups.push_back(group);
  const std::vector<Tier> fixed(index.tensors().size(), Tier::kStorage);
  TierRequest request;
  request.budget_bytes = budget.budget_bytes - std::min(budget.budget_bytes, budget.staging_bytes);
  request.groups = groups;
  request.fixed = fixed;
  request.alignment = container.superblock.alignment;
  request.rates = {.storage_rate = budget.rates.storage_rate,
                   .decode_rate = budget.rates.decode_rate,
                   .compute_seconds = budget.rates.compute_seconds};
  if (budget.rates.compute_threads != 0 && budget.rates.compute_threads < threads) {
    request.rates.compute_share = static_cast<double>(budget.rates.compute_threads) / threads;
  }
  const TierPlan tiers = plan_tiers(index, request);
  if (tiers.bytes_needed != 0) {
    return Error(ErrorCode::kBudgetTooSmall,
                 text("a budget of ", budget.budget_bytes, " bytes holds no layer: ",
                      budget.staging_bytes + tiers.bytes_needed, " bytes would do"));
  }
  return PassPlan{.layers = list_layers(index, tiers.tiers),
                  .resident_bytes = tiers.decoded_bytes,
                  .overlaps = tiers.decoded_bytes + tiers.overlap_bytes <= request.budget_bytes};
}

StreamPiece make_piece(const Index& index, const ModelSource& source,
                       const std::vector<uint32_t>& sources, const std::vector<uint32_t>& tensors) {
  StreamPiece piece;
  for (const uint32_t tensor : tensors) {
    piece.tensors.push_back({.name = std::string(index.name(index.tensors()[tensor])),
                             .source = sources[tensor],
                             .bytes = index.tensors()[tensor].bytes});
  }
  place_ranges(piece, source.tensors());
  return piece;
}

Result<std::vector<uint32_t>> match_sources(const Index& index, const ModelSource& source) {
  std::unordered_map<std::string_view, uint32_t> numbers;
  for (uint32_t number = 0; number < source.tensors().size(); ++number) {
    numbers.emplace(source.tensors()[number].name, number);
  }
  std::vector<uint32_t> sources;
  for (const TensorRecord& tensor : index.tensors()) {
    const auto found = numbers.find(index.name(tensor));
    if (found == numbers.end() || source.tensors()[found->second].bytes != tensor.bytes) {
      return Error(ErrorCode::kCorrupt, text("tensor ", quote(index.name(tensor)),
                                             " of the container is not in the plain model"));
    }
    sources.push_back(found->second);
  }
  return sources;
}

}  // namespace qload::bench
