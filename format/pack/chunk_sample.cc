#include "format/pack/chunk_sample.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "format/base/assert.h"
#include "format/base/try.h"
#include "format/pack/ordered_pipeline.h"
#include "format/pack/tensor_role.h"

namespace qload {
namespace {

/// Chunks that are alike have equal keys up to the name.
struct RunKey {
  ContentKind kind;
  DType dtype;
  TensorRole role;
  std::string name;
  uint32_t run;  ///< In the pack plan.
};

std::vector<RunKey> sort_runs(const ModelSource& source, const PackPlan& plan) {
  std::vector<RunKey> keys;
  for (uint32_t number = 0; number < plan.runs().size(); ++number) {
    const PackRun& run = plan.runs()[number];
    if (run.cut.chunk_count == 0) continue;
    RunKey key{run.kind, run_dtype(source, run), TensorRole::kOther, {}, number};
    if (run.kind != ContentKind::kKept) {
      const SourceTensor& tensor = source.tensors()[run.number];
      key.role = tensor_role(tensor.name, tensor.shape.size());
      key.name = name_without_numbers(tensor.name);
    }
    keys.push_back(std::move(key));
  }
  std::ranges::sort(keys, {}, [](const RunKey& key) {
    return std::tie(key.kind, key.dtype, key.role, key.name, key.run);
  });
  return keys;
}

/// splitmix64 (S. Vigna): spreads a counter over 64 bits.
uint64_t scatter(uint64_t value) {
  value += 0x9E3779B97F4A7C15;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
  return value ^ (value >> 31);
}

}  // namespace

DType run_dtype(const ModelSource& source, const PackRun& run) {
  return run.kind == ContentKind::kTensor ? source.tensors()[run.number].dtype : DType::kU8;
}

Status read_run_chunk(const ModelSource& source, const PackPlan& plan, const PackRun& run,
                      uint64_t chunk, std::span<std::byte> into) {
  const uint64_t offset = run.cut.offset_of(chunk);
  if (run.kind != ContentKind::kKept) {
    const SourceTensor& tensor = source.tensors()[run.number];
    return source.read(tensor.file, tensor.offset + offset, into);
  }
  return plan.kept(run.number)
      .each_piece(offset, into.size(), [&](const FileRange& range, uint64_t run_offset) {
        return source.read(run.number, range.offset,
                           into.subspan(run_offset - offset, range.bytes));
      });
}

SamplePlan plan_sample(const ModelSource& source, const PackPlan& plan, uint64_t bytes_max) {
  SamplePlan sample;
  for (const PackRun& run : plan.runs()) sample.bytes_total += run.cut.bytes;
  // One chunk of each stretch: about stretch / chunk of the bytes are left out.
  const uint64_t chunk_bytes = plan.item_count() == 0 ? 0 : sample.bytes_total / plan.item_count();
  const bool all = sample.bytes_total <= bytes_max;
  const uint64_t stretch_count =
      std::max<uint64_t>(1, bytes_max / std::max<uint64_t>(1, chunk_bytes));
  const uint64_t stretch_bytes = all ? 0 : sample.bytes_total / stretch_count;

  sample.standing_for.resize(plan.item_count());
  std::vector<uint64_t> stretch;  // Items.
  uint64_t bytes = 0;
  const auto close = [&] {
    if (stretch.empty()) return;
    const auto number = static_cast<uint32_t>(sample.items.size());
    for (const uint64_t item : stretch) sample.standing_for[item] = number;
    sample.items.push_back(stretch[scatter(number) % stretch.size()]);
    stretch.clear();
    bytes = 0;
  };
  const RunKey* before = nullptr;
  const std::vector<RunKey> keys = sort_runs(source, plan);
  for (const RunKey& key : keys) {
    if (before != nullptr) {
      const bool other_kind = std::tie(before->kind, before->dtype, before->role) !=
                              std::tie(key.kind, key.dtype, key.role);
      // A name of its own is worth a chunk of its own, unless it has next to no bytes.
      const bool other_name = before->name != key.name && bytes >= stretch_bytes / 2;
      if (other_kind || other_name) close();
    }
    before = &key;
    const PackRun& run = plan.runs()[key.run];
    for (uint64_t chunk = 0; chunk < run.cut.chunk_count; ++chunk) {
      stretch.push_back(run.first_item + chunk);
      bytes += run.cut.bytes_of(chunk);
      if (bytes >= stretch_bytes) close();
    }
  }
  close();
  // In the model's order, which reads files forwards.
  std::vector<uint32_t> order(sample.items.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&](uint32_t i) { return sample.items[i]; });
  std::vector<uint32_t> place(order.size());
  for (uint32_t i = 0; i < order.size(); ++i) place[order[i]] = i;
  for (uint32_t& number : sample.standing_for) number = place[number];
  std::ranges::sort(sample.items);
  for (const uint64_t item : sample.items) {
    const PackRun& run = plan.run_of(item);
    sample.bytes += run.cut.bytes_of(item - run.first_item);
  }
  return sample;
}

/// One call of take(). produce() runs on the workers.
class SampleJob {
 public:
  SampleJob(const ModelSource& source, const PackPlan& plan, const SampleOptions& options,
            ChunkSample& sample)
      : source_(source), plan_(plan), options_(options), sample_(sample) {
    sample_.forms_.resize(sample_.plan_.items.size());
    const RecipeOptions recipe{
        .filter = options.filter, .gain_min = options.gain_min, .device = options.devices[0]};
    workers_.reserve(options.threads);
    for (uint32_t i = 0; i < options.threads; ++i) workers_.emplace_back(recipe);
  }

  Status run(std::stop_token stop) {
    uint64_t done = 0;
    OrderedWork work;
    work.item_count = sample_.plan_.items.size();
    work.threads = options_.threads;
    work.produce = [&](uint32_t thread, uint32_t, uint64_t number) {
      return produce(workers_[thread], number);
    };
    work.consume = [&](uint32_t, uint64_t number) -> Status {
      done += sample_.forms_[number].forms[0].decoded_bytes;
      if (options_.on_progress) options_.on_progress(done, sample_.plan_.bytes);
      return Ok{};
    };
    return run_ordered(work, std::move(stop));
  }

 private:
  struct Worker {
    explicit Worker(const RecipeOptions& options) : chooser(options) {}
    RecipeChooser chooser;
    EncodeContext encoder;
    std::vector<std::byte> decoded;
    std::vector<std::byte> stored;
  };

  static bool same(const ChunkForm& a, const ChunkForm& b) {
    if (a.filter != b.filter || a.stored_bytes != b.stored_bytes ||
        a.stream_count != b.stream_count) {
      return false;
    }
    for (uint32_t i = 0; i < a.stream_count; ++i) {
      if (a.streams[i].codec != b.streams[i].codec ||
          a.streams[i].stored_bytes != b.streams[i].stored_bytes) {
        return false;
      }
    }
    return true;
  }

  Status produce(Worker& worker, uint64_t number) {
    const uint64_t item = sample_.plan_.items[number];
    const PackRun& run = plan_.run_of(item);
    const uint64_t chunk = item - run.first_item;
    worker.decoded.resize(run.cut.bytes_of(chunk));
    QLOAD_CHECK(read_run_chunk(source_, plan_, run, chunk, worker.decoded));
    ChunkSample::Forms& forms = sample_.forms_[number];
    // Neighbouring weights compare the same recipes: each is encoded once.
    std::vector<std::pair<ChunkRecipe, ChunkForm>> encoded;
    const auto encode = [&](const ChunkRecipe& recipe) {
      for (const auto& [known, form] : encoded) {
        if (known == recipe) return form;
      }
      encoded.emplace_back(recipe,
                           encode_chunk(worker.encoder, worker.decoded, recipe, worker.stored));
      return encoded.back().second;
    };
    for (size_t i = 0; i < options_.devices.size(); ++i) {
      worker.chooser.aim_at(options_.devices[i]);
      const RecipeChoice choice =
          worker.chooser.choose(run_dtype(source_, run), run.kind, worker.decoded);
      const ChunkForm form = cheapest_form(choice, options_.devices[i], encode, [] {});
      const auto known = std::ranges::find_if(
          forms.forms, [&](const ChunkForm& other) { return same(form, other); });
      forms.of_device[i] = static_cast<uint8_t>(known - forms.forms.begin());
      if (known == forms.forms.end()) forms.forms.push_back(form);
    }
    return Ok{};
  }

  const ModelSource& source_;
  const PackPlan& plan_;
  const SampleOptions& options_;
  ChunkSample& sample_;
  std::vector<Worker> workers_;
};

Result<ChunkSample> ChunkSample::take(const ModelSource& source, const PackPlan& plan,
                                      const SampleOptions& options, std::stop_token stop) {
  QLOAD_ASSERT(!options.devices.empty() && options.devices.size() <= kDevicesMax);
  ChunkSample sample;
  sample.plan_ = plan_sample(source, plan, options.bytes_max);
  SampleJob job(source, plan, options, sample);
  QLOAD_CHECK(job.run(std::move(stop)));
  return sample;
}

const ChunkForm& ChunkSample::form(uint64_t item, size_t device) const {
  const Forms& forms = forms_[plan_.standing_for[item]];
  return forms.forms[forms.of_device[device]];
}

EstimatedForm ChunkSample::estimate(uint64_t item, uint64_t bytes, size_t device,
                                    const TargetDevice& rates) const {
  const ChunkForm& sampled = form(item, device);
  const double scale = static_cast<double>(bytes) / static_cast<double>(sampled.decoded_bytes);
  return {.form = &sampled,
          .stored_bytes = static_cast<uint64_t>(scale * sampled.stored_bytes + 0.5),
          .decode_seconds = scale * decode_seconds(rates, sampled)};
}

}  // namespace qload
