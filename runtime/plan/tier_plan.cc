#include "runtime/plan/tier_plan.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <span>
#include <utility>

#include "format/base/checked.h"
#include "format/container/layout.h"
#include "runtime/plan/pass_model.h"

namespace qload {
namespace {

// Kinds of tensors within one such step of stored-to-decoded ratio count as equally compressible:
// between them the place in the layer decides.
constexpr double kRatioSteps = 50;

// A group this much larger than the median sets the memory of portions alone.
constexpr double kOutlierFactor = 1.5;

// How many divisions between decoded and packed memory are tried, at most.
constexpr size_t kDivisions = 32;

// Bounds the time of planning whatever the index: so many groups are looked at to measure portions
// in one division, and so many tensors to try divisions. A second or so; models have a hundred
// groups and some thousand tensors.
constexpr uint64_t kMeasuredGroupsMax = 100'000'000;
constexpr uint64_t kDividedTensorsMax = 4'000'000;

// More parts of one group than this change nothing in the model.
constexpr uint64_t kPartsModelled = 16;

/// Memory in use while tensors are moved from storage to memory one by one.
class Ledger {
 public:
  Ledger(const Index& index, const TierRequest& request)
      : index_(&index),
        request_(&request),
        streamed_bytes_(index.groups().size(), 0),
        measures_left_(1 + kMeasuredGroupsMax / (request.groups.size() + 1)) {
    plan_.tiers.assign(request.fixed.begin(), request.fixed.end());
    for (const uint32_t group : request.groups) {
      for (const uint32_t tensor : tensors_of(group)) {
        if (plan_.tiers[tensor] != Tier::kSkipped) pass_bytes_ += index.tensors()[tensor].bytes;
        if (plan_.tiers[tensor] == Tier::kDecoded) {
          plan_.decoded_bytes += memory_of(tensor);
        } else if (plan_.tiers[tensor] == Tier::kStorage) {
          streamed_bytes_[group] += memory_of(tensor);
        }
      }
    }
    measure_portions();
  }

  std::vector<uint32_t> tensors_of(uint32_t group) const {
    const GroupRecord& record = index_->groups()[group];
    std::vector<uint32_t> tensors(record.tensor_count);
    std::iota(tensors.begin(), tensors.end(), static_cast<uint32_t>(record.first_tensor));
    return tensors;
  }
  uint64_t memory_of(uint32_t tensor) const {
    return tensor_memory_bytes(index_->tensors()[tensor], request_->alignment);
  }
  uint64_t kept_bytes() const { return plan_.decoded_bytes + plan_.packed_bytes; }
  uint64_t streamed_bytes(uint32_t group) const { return streamed_bytes_[group]; }
  const TierPlan& plan() const { return plan_; }

  /// Moves a tensor from storage to `tier`, or back. Portions are not measured: they count as
  /// large as before, which is never too little for what has moved from storage.
  void move(uint32_t group, uint32_t tensor, Tier tier, bool back) {
    plan_.tiers[tensor] = back ? Tier::kStorage : tier;
    if (tier == Tier::kPacked) {
      const uint64_t bytes =
          packed_memory_bytes(*index_, index_->tensors()[tensor], request_->alignment);
      plan_.packed_bytes += back ? -bytes : bytes;
      return;
    }
    const uint64_t bytes = memory_of(tensor);
    plan_.decoded_bytes += back ? -bytes : bytes;
    streamed_bytes_[group] += back ? bytes : -bytes;
  }

  /// Moves tensors (group and number) that lie in storage to `tier` when, with all of them, so many
  /// portions (1 or 2) still fit; else none of them.
  bool keep(std::span<const std::pair<uint32_t, uint32_t>> tensors, Tier tier, uint32_t portions) {
    const uint64_t portion_bytes = plan_.portion_bytes;
    const uint64_t overlap_bytes = plan_.overlap_bytes;
    for (const auto& [group, tensor] : tensors) move(group, tensor, tier, false);
    measure_portions();
    if (fits(portions)) return true;
    for (const auto& [group, tensor] : tensors) move(group, tensor, tier, true);
    plan_.portion_bytes = portion_bytes;
    plan_.overlap_bytes = overlap_bytes;
    return false;
  }

  /// Moves those of `tensors` that fit, one by one.
  void keep_some(std::span<const std::pair<uint32_t, uint32_t>> tensors, Tier tier,
                 uint32_t portions) {
    for (const auto& [group, tensor] : tensors) {
      if (plan_.tiers[tensor] != Tier::kStorage) continue;
      move(group, tensor, tier, false);
      if (!fits(portions)) move(group, tensor, tier, true);
    }
    if (tier == Tier::kDecoded) measure_portions();
  }

  bool fits(uint32_t portions) const {
    const uint64_t portion = portions == 1 ? plan_.portion_bytes : plan_.overlap_bytes;
    return kept_bytes() <= request_->budget_bytes &&
           portion <= request_->budget_bytes - kept_bytes();
  }

  TierPlan finish() {
    measures_left_ = 1;
    measure_portions();
    std::vector<PortionCost> portions;
    for (const uint32_t group : request_->groups) add_cost(group, portions);
    PassEstimate& estimate = plan_.estimate;
    const PassRates& rates = request_->rates;
    estimate.storage_seconds = seconds_of(estimate.storage_bytes, rates.storage_rate);
    estimate.decode_seconds = seconds_of(estimate.decoded_bytes, rates.decode_rate);
    estimate.seconds =
        std::max(model_pass_seconds(portions, request_->budget_bytes - kept_bytes()),
                 estimate.decode_seconds + rates.compute_seconds * rates.compute_share);
    return std::move(plan_);
  }

 private:
  // A pass is followed by the next, so its last portion by its first.
  void measure_portions() {
    if (measures_left_ == 0) return;
    --measures_left_;
    plan_.portion_bytes = 0;
    plan_.overlap_bytes = 0;
    uint64_t first = 0;
    uint64_t before = 0;
    const auto add = [&](uint64_t portion) {
      plan_.portion_bytes = std::max(plan_.portion_bytes, portion);
      plan_.overlap_bytes = std::max(plan_.overlap_bytes, before + portion);
      before = portion;
    };
    for (const uint32_t group : request_->groups) {
      uint64_t bytes = streamed_bytes_[group];
      if (bytes == 0) continue;
      if (first == 0) first = std::min(bytes, request_->part_bytes);
      // Of a group in many parts, two full ones, and what may follow them.
      if (bytes > request_->part_bytes) {
        add(request_->part_bytes);
        add(request_->part_bytes);
        bytes = request_->part_bytes;
      }
      add(bytes);
    }
    if (first != 0) add(first);
  }

  static double seconds_of(uint64_t bytes, double rate) {
    return rate > 0 ? static_cast<double>(bytes) / rate : 0;
  }

  /// Adds what a group costs in a pass to the estimate, and its portions to `portions`. The
  /// caller's work is as the decoded bytes, wherever they come from.
  void add_cost(uint32_t group, std::vector<PortionCost>& portions) {
    uint64_t storage_bytes = 0;
    uint64_t decoded_bytes = 0;
    uint64_t used_bytes = 0;
    for (const uint32_t tensor : tensors_of(group)) {
      const TensorRecord& record = index_->tensors()[tensor];
      const Tier tier = plan_.tiers[tensor];
      if (tier != Tier::kSkipped) used_bytes += record.bytes;
      if (tier == Tier::kStorage) storage_bytes += record.stored_bytes;
      if (tier == Tier::kStorage || tier == Tier::kPacked) decoded_bytes += record.bytes;
    }
    plan_.estimate.storage_bytes += storage_bytes;
    plan_.estimate.decoded_bytes += decoded_bytes;

    const PassRates& rates = request_->rates;
    const uint64_t memory = streamed_bytes_[group];
    const uint64_t parts = std::min(kPartsModelled, memory / request_->part_bytes + 1);
    const double share = 1.0 / static_cast<double>(parts);
    const PortionCost part = {
        .memory_bytes = std::min(memory, request_->part_bytes),
        .load_seconds = share * std::max(seconds_of(storage_bytes, rates.storage_rate),
                                         seconds_of(decoded_bytes, rates.decode_rate)),
        .compute_seconds = share * rates.compute_seconds * static_cast<double>(used_bytes) /
                           static_cast<double>(std::max<uint64_t>(1, pass_bytes_))};
    portions.insert(portions.end(), parts, part);
  }

  const Index* index_;
  const TierRequest* request_;
  uint64_t pass_bytes_ = 0;               // Of all tensors of a pass that the caller takes.
  std::vector<uint64_t> streamed_bytes_;  // By group: memory of a portion with all of it.
  uint64_t measures_left_;                // How often portions are measured yet.
  TierPlan plan_;
};

/// Tensors of the same place and size in their groups: those of one role in every layer.
struct Kind {
  uint32_t place = 0;
  uint64_t bytes = 0;
  uint64_t stored_bytes = 0;                           ///< Sum.
  std::vector<std::pair<uint32_t, uint32_t>> members;  ///< Group, tensor; in order of the pass.

  double ratio() const {
    return static_cast<double>(stored_bytes) /
           (static_cast<double>(bytes) * static_cast<double>(members.size()));
  }
};

/// What may be kept, those first of which a decoded byte saves most.
std::vector<Kind> list_kinds(const Index& index, const TierRequest& request, const Ledger& ledger) {
  std::map<std::pair<uint32_t, uint64_t>, Kind> kinds;
  for (const uint32_t group : request.groups) {
    uint32_t place = 0;
    for (const uint32_t tensor : ledger.tensors_of(group)) {
      const TensorRecord& record = index.tensors()[tensor];
      const uint32_t own_place = place++;
      if (request.fixed[tensor] != Tier::kStorage || record.bytes == 0) continue;
      Kind& kind = kinds[{own_place, record.bytes}];
      kind.place = own_place;
      kind.bytes = record.bytes;
      kind.stored_bytes += record.stored_bytes;
      kind.members.emplace_back(group, tensor);
    }
  }
  std::vector<Kind> sorted;
  for (auto& [key, kind] : kinds) sorted.push_back(std::move(kind));
  std::stable_sort(sorted.begin(), sorted.end(), [](const Kind& a, const Kind& b) {
    const int a_step = static_cast<int>(a.ratio() * kRatioSteps);
    const int b_step = static_cast<int>(b.ratio() * kRatioSteps);
    return a_step != b_step ? a_step > b_step : a.place < b.place;
  });
  return sorted;
}

/// Keeps a kind decoded: all of it, for portions shrink only with the last, or, where all do not
/// fit or `together` is false, as many of it as fit.
void keep_kind(const Kind& kind, Ledger& ledger, uint32_t portions, bool together) {
  std::vector<std::pair<uint32_t, uint32_t>> left;
  for (const auto& [group, tensor] : kind.members) {
    if (ledger.plan().tiers[tensor] == Tier::kStorage) left.emplace_back(group, tensor);
  }
  if (together && ledger.keep(left, Tier::kDecoded, portions)) return;
  const uint64_t before = ledger.plan().overlap_bytes;
  ledger.keep_some(left, Tier::kDecoded, portions);
  // Portions may have shrunk meanwhile.
  if (ledger.plan().overlap_bytes < before) ledger.keep_some(left, Tier::kDecoded, portions);
}

/// Groups that set the memory of portions alone lose their largest tensors first.
void keep_outliers(const Index& index, const TierRequest& request, Ledger& ledger,
                   uint32_t portions) {
  std::vector<uint64_t> sizes;
  for (const uint32_t group : request.groups) {
    if (ledger.streamed_bytes(group) > 0) sizes.push_back(ledger.streamed_bytes(group));
  }
  if (sizes.size() < 3) return;
  // An embedding and an output, and what else there may be.
  constexpr uint32_t kOutliersMax = 64;
  uint32_t kept = 0;
  std::nth_element(sizes.begin(), sizes.begin() + sizes.size() / 2, sizes.end());
  const double limit = kOutlierFactor * static_cast<double>(sizes[sizes.size() / 2]);
  for (const uint32_t group : request.groups) {
    std::vector<uint32_t> tensors = ledger.tensors_of(group);
    std::stable_sort(tensors.begin(), tensors.end(), [&](uint32_t a, uint32_t b) {
      return index.tensors()[a].bytes > index.tensors()[b].bytes;
    });
    for (const uint32_t tensor : tensors) {
      if (static_cast<double>(ledger.streamed_bytes(group)) <= limit) break;
      if (ledger.plan().tiers[tensor] != Tier::kStorage) continue;
      const std::pair<uint32_t, uint32_t> one[] = {{group, tensor}};
      ledger.keep(one, Tier::kDecoded, portions);
      if (++kept == kOutliersMax) return;
    }
  }
}

}  // namespace

uint64_t tensor_memory_bytes(const TensorRecord& tensor, uint32_t alignment) {
  return align_up(tensor.bytes, alignment);
}

uint64_t packed_memory_bytes(const Index& index, const TensorRecord& tensor, uint32_t alignment) {
  const auto chunks = index.chunks_of(tensor);
  if (chunks.empty()) return 0;
  const uint64_t begin = align_down(chunks.front().offset, alignment);
  return align_up(chunks.back().offset + chunks.back().stored_bytes, alignment) - begin;
}

TierPlan plan_tiers(const Index& index, const TierRequest& request) {
  const Ledger start(index, request);
  if (!start.fits(1)) {
    TierPlan refused;
    refused.bytes_needed = start.kept_bytes() + start.plan().portion_bytes;
    return refused;
  }
  // Room for two portions lets reading go on while the caller computes; an outlier that stays may
  // make it.
  Ledger outliers = start;
  if (request.fill_decoded) keep_outliers(index, request, outliers, 1);
  const bool start_overlaps = start.fits(2);
  const uint32_t portions = start_overlaps || outliers.fits(2) ? 2 : 1;
  const Ledger& base = portions == 2 && !start_overlaps ? outliers : start;
  const std::vector<Kind> kinds = list_kinds(index, request, start);
  const auto divide = [&](size_t decoded_kinds, bool together) {
    Ledger ledger = base;
    if (request.fill_decoded && decoded_kinds > 0) {
      keep_outliers(index, request, ledger, portions);
      for (size_t i = 0; i < decoded_kinds; ++i) keep_kind(kinds[i], ledger, portions, together);
    }
    for (size_t i = request.fill_packed ? kinds.size() : 0; i-- > 0;) {
      ledger.keep_some(kinds[i].members, Tier::kPacked, portions);
    }
    return ledger.finish();
  };
  TierPlan best = divide(kinds.size(), true);
  const auto try_other = [&](TierPlan other) {
    const bool less = other.estimate.seconds < best.estimate.seconds ||
                      (other.estimate.seconds == best.estimate.seconds &&
                       other.estimate.storage_bytes < best.estimate.storage_bytes);
    if (less) best = std::move(other);
  };
  try_other(divide(kinds.size(), false));
  const size_t divisions =
      std::min<size_t>(kDivisions, 1 + kDividedTensorsMax / (index.tensors().size() + 1));
  for (size_t i = 0; request.fill_packed && i < divisions; ++i) {
    try_other(divide(kinds.size() * i / divisions, true));
  }
  return best;
}

}  // namespace qload
