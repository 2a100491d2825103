#include "format/pack/pack_plan.h"

#include <algorithm>
#include <string_view>

#include "format/base/assert.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/pack/layer_order.h"

namespace qload {

Result<PackPlan> PackPlan::create(const ModelSource& source, uint64_t chunk_bytes,
                                  std::span<const uint32_t> same_as) {
  PackPlan plan;
  std::span<const SourceTensor> tensors = source.tensors();
  QLOAD_ASSERT(same_as.size() == tensors.size());
  std::vector<std::optional<uint32_t>> owners(tensors.size());  // Runs, by their same_as.
  std::vector<std::string_view> names;
  names.reserve(tensors.size());
  for (const SourceTensor& tensor : tensors) names.push_back(tensor.name);
  plan.runs_.reserve(tensors.size() + source.files().size());
  for (const TensorGroup& group : order_layers(names)) {
    for (uint32_t number : group.tensors) {
      const SourceTensor& tensor = tensors[number];
      PackRun run;
      run.number = number;
      run.opens_group = number == group.tensors.front();
      run.stack = group.stack;
      run.layer = group.layer;
      if (source.files()[tensor.file].format == SourceFormat::kRaw) run.kind = ContentKind::kRaw;
      std::optional<uint32_t>& owner = owners[same_as[number]];
      if (owner) {
        run.shared_run = owner;
        ++plan.duplicate_count_;
        plan.duplicate_bytes_ += tensor.bytes;
      } else {
        owner = static_cast<uint32_t>(plan.runs_.size());
        run.cut = cut_tensor(tensor.dtype, tensor.shape, tensor.bytes, chunk_bytes);
      }
      plan.add_run(run);
    }
  }
  QLOAD_CHECK(plan.add_kept(source, chunk_bytes));
  return plan;
}

Status PackPlan::add_kept(const ModelSource& source, uint64_t chunk_bytes) {
  std::span<const SourceTensor> tensors = source.tensors();
  size_t next = 0;
  for (uint32_t file = 0; file < source.files().size(); ++file) {
    std::vector<FileRange> ranges;
    for (; next < tensors.size() && tensors[next].file == file; ++next) {
      ranges.push_back({tensors[next].offset, tensors[next].bytes});
    }
    auto kept = KeptRun::create(source.files()[file].bytes, ranges);
    if (!kept.ok()) return kept.error().at(quote(source.files()[file].path));
    PackRun run;
    run.kind = ContentKind::kKept;
    run.number = file;
    run.cut = cut_bytes(kept->bytes(), chunk_bytes);
    kept_.push_back(std::move(kept).value());
    add_run(run);
  }
  return Ok{};
}

void PackPlan::add_run(PackRun run) {
  run.first_item = item_count_;
  item_count_ += run.cut.chunk_count;
  runs_.push_back(run);
}

const PackRun& PackPlan::run_of(uint64_t item) const {
  // The last run that starts at or before the item; the empty runs before it start there too.
  auto after = std::upper_bound(runs_.begin(), runs_.end(), item,
                                [](uint64_t i, const PackRun& run) { return i < run.first_item; });
  return *(after - 1);
}

}  // namespace qload
