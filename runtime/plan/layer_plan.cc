#include "runtime/plan/layer_plan.h"

#include <algorithm>

#include "format/base/assert.h"
#include "format/base/checked.h"

namespace qload {
namespace {

class PlanBuilder {
 public:
  PlanBuilder(const Index& index, const LayerPlanOptions& options)
      : index_(index), options_(options) {}

  LayerPlan build() {
    for (const uint32_t group : options_.groups) add_group(group);
    return std::move(plan_);
  }

 private:
  void add_group(uint32_t group) {
    const GroupRecord& record = index_.groups()[group];
    const size_t first_part = plan_.parts.size();
    for (uint64_t i = 0; i < record.tensor_count; ++i) {
      const auto tensor = static_cast<uint32_t>(record.first_tensor + i);
      const Tier tier = options_.tiers[tensor];
      if (tier == Tier::kSkipped) continue;
      if (plan_.parts.size() == first_part) open_part(group);
      if (tier != Tier::kDecoded) {
        add_streamed(group, tensor);
      } else if (plan_.parts.size() == first_part + 1) {
        add_range({tensor, {}, 0, index_.tensors()[tensor].bytes, 0});
      } else {
        late_.push_back(tensor);
      }
    }
    if (plan_.parts.size() == first_part) return;
    add_late(first_part);
    const auto count = static_cast<uint32_t>(plan_.parts.size() - first_part);
    for (uint32_t i = 0; i < count; ++i) {
      plan_.parts[first_part + i].part = i;
      plan_.parts[first_part + i].part_count = count;
    }
  }

  // What stays decoded belongs to the group's first part, whatever came between.
  void add_late(size_t first_part) {
    if (late_.empty()) return;
    LayerPart& part = plan_.parts[first_part];
    std::vector<PartRange> ranges;
    for (const uint32_t tensor : late_) {
      ranges.push_back({tensor, {}, 0, index_.tensors()[tensor].bytes, 0});
    }
    plan_.ranges.insert(plan_.ranges.begin() + part.first_range + part.range_count, ranges.begin(),
                        ranges.end());
    const auto added = static_cast<uint32_t>(ranges.size());
    part.range_count += added;
    for (size_t i = first_part + 1; i < plan_.parts.size(); ++i) {
      plan_.parts[i].first_range += added;
    }
    late_.clear();
  }

  void add_streamed(uint32_t group, uint32_t tensor) {
    const TensorRecord& record = index_.tensors()[tensor];
    const auto chunks = index_.chunks_of(record);
    if (chunks.empty() || fits(record.bytes)) return place({tensor, {}, 0, record.bytes, 0});
    if (align_up(record.bytes, options_.alignment) <= options_.part_bytes) {
      open_part(group);
      return place({tensor, {}, 0, record.bytes, 0});
    }
    for (uint64_t first = 0; first < chunks.size();) {
      if (!fits(chunks[first].decoded_bytes)) open_part(group);
      QLOAD_ASSERT(fits(chunks[first].decoded_bytes));
      PartRange range{tensor, {first, 0}, chunks[first].decoded_offset, 0, 0};
      while (first < chunks.size() && fits(range.bytes + chunks[first].decoded_bytes)) {
        range.bytes += chunks[first++].decoded_bytes;
        ++range.chunks.count;
      }
      place(range);
    }
  }

  bool fits(uint64_t bytes) const {
    return align_up(bytes, options_.alignment) <= options_.part_bytes - plan_.parts.back().bytes;
  }

  void place(PartRange range) {
    LayerPart& part = plan_.parts.back();
    range.part_offset = part.bytes;
    part.bytes += align_up(range.bytes, options_.alignment);
    add_range(range);
  }

  void add_range(const PartRange& range) {
    plan_.ranges.push_back(range);
    ++plan_.parts.back().range_count;
  }

  void open_part(uint32_t group) {
    LayerPart part;
    part.group = group;
    part.first_range = static_cast<uint32_t>(plan_.ranges.size());
    plan_.parts.push_back(part);
  }

  const Index& index_;
  const LayerPlanOptions& options_;
  LayerPlan plan_;
  std::vector<uint32_t> late_;  // Decoded tensors of a group that has more than one part already.
};

}  // namespace

LayerPlan make_layer_plan(const Index& index, const LayerPlanOptions& options) {
  return PlanBuilder(index, options).build();
}

}  // namespace qload
