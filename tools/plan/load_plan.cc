#include "tools/plan/load_plan.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "format/base/try.h"
#include "format/pack/container_estimate.h"
#include "format/pack/find_duplicates.h"
#include "format/pack/ordered_pipeline.h"
#include "format/pack/tensor_role.h"
#include "tools/report/container_facts.h"

namespace qload::tools {
namespace {

std::string name_of(DType dtype) {
  const DTypeInfo* info = find_dtype(dtype);
  return info == nullptr ? "?" : std::string(info->name);
}

/// Gathers kinds by type and role.
class KindTable {
 public:
  PlannedKind& kind(DType dtype, TensorRole role) {
    PlannedKind& kind = kinds_[{dtype, role}];
    if (kind.dtype.empty()) {
      kind.dtype = name_of(dtype);
      kind.role = tensor_role_name(role);
    }
    return kind;
  }
  std::vector<PlannedKind> take() {
    std::vector<PlannedKind> all;
    for (auto& [key, kind] : kinds_) all.push_back(std::move(kind));
    std::ranges::stable_sort(all, std::ranges::greater(), &PlannedKind::bytes);
    return all;
  }

 private:
  std::map<std::pair<DType, TensorRole>, PlannedKind> kinds_;
};

/// A model of which a sample was taken; devices[0] of it is the default, the target's weights
/// follow.
class SampledModel {
 public:
  static constexpr size_t kDefaultDevice = 0;
  static constexpr size_t kFirstWeight = 1;

  SampledModel(const ModelSource& source, const PackPlan& plan, const ChunkSample& sample)
      : source_(source), plan_(plan), sample_(sample) {}

  /// The form whose chunk `item` is that of device_of(item).
  PlannedForm form(std::string name, const TargetDevice& device,
                   const std::function<size_t(uint64_t)>& device_of) const {
    LoadWork work;
    uint64_t kept_items_from = plan_.item_count();
    for (const PackRun& run : plan_.runs()) {
      if (run.kind == ContentKind::kKept) {
        kept_items_from = std::min(kept_items_from, run.first_item);
      } else {
        work.decoded_bytes += source_.tensors()[run.number].bytes;
      }
    }
    const ContainerEstimate size =
        estimate_container(source_, plan_, PackOptions{}, [&](uint64_t item, uint64_t bytes) {
          const EstimatedForm chunk = sample_.estimate(item, bytes, device_of(item), device);
          if (item < kept_items_from) work.decode_seconds += chunk.decode_seconds;
          return ChunkSize{chunk.stored_bytes, chunk.form->stream_count, chunk.form->stored_raw()};
        });
    work.read_bytes = size.read_bytes();
    return packed_form(std::move(name), size.container_bytes, work, device);
  }

  std::vector<PlannedKind> kinds(const std::function<size_t(uint64_t)>& device_of) const {
    KindTable table;
    for (const PackRun& run : plan_.runs()) {
      if (run.kind == ContentKind::kKept) continue;
      const SourceTensor& tensor = source_.tensors()[run.number];
      PlannedKind& kind = table.kind(tensor.dtype, tensor_role(tensor.name, tensor.shape.size()));
      ++kind.tensor_count;
      for (uint64_t chunk = 0; chunk < run.cut.chunk_count; ++chunk) {
        const uint64_t item = run.first_item + chunk;
        const uint64_t bytes = run.cut.bytes_of(chunk);
        const EstimatedForm form = sample_.estimate(item, bytes, device_of(item), TargetDevice{});
        kind.bytes += bytes;
        kind.stored_bytes += form.stored_bytes;
        kind.forms[form_text(*form.form)] += bytes;
      }
    }
    return table.take();
  }

 private:
  const ModelSource& source_;
  const PackPlan& plan_;
  const ChunkSample& sample_;
};

size_t number_of_weight(double weight) {
  const auto weights = device_weights();
  return static_cast<size_t>(std::ranges::find(weights, weight) - weights.begin());
}

}  // namespace

double LoadPlan::speed_up() const { return forms.front().cold.total() / forms.back().cold.total(); }
double LoadPlan::cached_speed_up() const {
  return forms.front().cached.total() / forms.back().cached.total();
}

Result<LoadPlan> plan_source(const ModelSource& source, const DeviceProfile& target,
                             const LoadPlanOptions& options, std::stop_token stop) {
  QLOAD_TRY(const uint32_t threads, choose_thread_count(options.threads));
  const std::function<void(const PackProgress&)> silent;
  ProgressMeter progress(silent, 0);
  QLOAD_TRY(const std::vector<uint32_t> same_as, find_duplicates(source, threads, progress, stop));
  QLOAD_TRY(const PackPlan pack, PackPlan::create(source, PackOptions{}.chunk_bytes, same_as));
  std::vector<TargetDevice> devices = weighted_devices(target.device);
  devices.insert(devices.begin(), mid_device());
  QLOAD_TRY(const ChunkSample sample, ChunkSample::take(source, pack,
                                                        {.devices = devices,
                                                         .gain_min = PackOptions{}.gain_min,
                                                         .threads = threads,
                                                         .on_progress = options.on_progress},
                                                        std::move(stop)));
  LoadPlan plan{.target = target,
                .tensor_count = source.tensors().size(),
                .duplicate_count = pack.duplicate_count(),
                .sampled_bytes = sample.plan().bytes,
                .chunk_bytes = sample.plan().bytes_total};
  for (const SourceTensor& tensor : source.tensors()) plan.tensor_bytes += tensor.bytes;
  plan.recipe =
      choose_device_recipe(source, pack, sample, SampledModel::kFirstWeight, target.device);
  const size_t full = SampledModel::kFirstWeight + number_of_weight(plan.recipe.weight);
  const size_t lean = SampledModel::kFirstWeight + number_of_weight(plan.recipe.lean_weight);
  const SampledModel model(source, pack, sample);
  const auto of_target = [&](uint64_t item) { return plan.recipe.is_lean(item) ? lean : full; };
  const auto of_default = [](uint64_t) { return SampledModel::kDefaultDevice; };
  plan.forms = {plain_form(plan.tensor_bytes, target.device),
                model.form("packed", target.device, of_default),
                model.form("packed --target " + target.name, target.device, of_target)};
  plan.kinds = model.kinds(of_target);
  return plan;
}

LoadPlan plan_container(const Container& container, const DeviceProfile& target) {
  const Index& index = container.index;
  LoadPlan plan{.target = target,
                .tensor_count = index.tensors().size(),
                .tensor_bytes = container.superblock.decoded_bytes};
  KindTable table;
  const auto owners = find_chunk_owners(index);
  for (uint32_t i = 0; i < owners.size(); ++i) {
    const TensorRecord& tensor = index.tensors()[i];
    PlannedKind& kind =
        table.kind(static_cast<DType>(tensor.dtype), tensor_role(index.name(tensor), tensor.rank));
    ++kind.tensor_count;
    if (owners[i] != i) {
      ++plan.duplicate_count;
      continue;
    }
    kind.bytes += tensor.bytes;
    kind.stored_bytes += tensor.stored_bytes;
    for (const ChunkRecord& chunk : index.chunks_of(tensor)) {
      kind.forms[form_text(index.form(chunk))] += chunk.decoded_bytes;
    }
    plan.chunk_bytes += tensor.bytes;
  }
  plan.sampled_bytes = plan.chunk_bytes;
  plan.kinds = table.take();
  plan.forms = {plain_form(plan.tensor_bytes, target.device),
                packed_form("this container", container.superblock.container_bytes,
                            container_work(container, target.device), target.device)};
  return plan;
}

}  // namespace qload::tools
