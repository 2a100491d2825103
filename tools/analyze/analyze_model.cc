#include "tools/analyze/analyze_model.h"

#include <algorithm>
#include <map>
#include <utility>

#include "format/base/assert.h"
#include "format/base/try.h"
#include "tools/analyze/chunk_pass.h"
#include "tools/analyze/load_curve.h"
#include "tools/analyze/model_estimate.h"
#include "tools/analyze/sampling_plan.h"
#include "tools/analyze/tensor_kind.h"

namespace qload::analyze {
namespace {

uint64_t chunked_bytes(const ChunkedModel& model) {
  uint64_t bytes = 0;
  for (const ChunkRun& run : model.runs()) {
    if (run.kind != ContentKind::kKept && run.chunk_count > 0) bytes += run.bytes;
  }
  return bytes;
}

uint64_t read_bytes_max(const SampleSize& sample, uint64_t bytes) {
  if (sample.share >= 1) return sample.bytes;
  const double share = sample.share * static_cast<double>(bytes);
  return std::min(sample.bytes, static_cast<uint64_t>(share));
}

/// Those of tensors: kept bytes are the container's, not the analysis's.
void count_chunks(const ChunkedModel& model, const SamplingPlan& plan, ModelAnalysis& analysis) {
  for (const ChunkRun& run : model.runs()) {
    if (run.kind != ContentKind::kKept) analysis.chunk_count += run.chunk_count;
  }
  for (const PlannedChunk& chunk : plan.chunks) {
    if (model.runs()[chunk.run].kind == ContentKind::kKept) continue;
    analysis.read_chunk_count += 1;
    if (chunk.measured) analysis.measured_chunk_count += 1;
  }
}

/// Puts the parts of an analysis together.
class AnalysisBuilder {
 public:
  AnalysisBuilder(const ChunkedModel& model, const ModelEstimate& estimate, PassResult& pass)
      : model_(model), estimate_(estimate), pass_(pass), total_(estimate.family_sums()) {}

  void add_tensors(ModelAnalysis& analysis);
  void add_groups(ModelAnalysis& analysis) const;
  LoadPrediction predict(const ModelAnalysis& analysis, const tools::DeviceProfile& target) const;

 private:
  TensorAnalysis describe(uint32_t run);
  void add_to_groups(uint32_t run, const TensorAnalysis& tensor);
  ContainerSize container_size() const;

  const ChunkedModel& model_;
  const ModelEstimate& estimate_;
  PassResult& pass_;
  FiguresSum total_;
  std::map<TensorKind, FiguresSum> kinds_;
  std::map<std::pair<uint32_t, uint32_t>, FiguresSum> layers_;
};

TensorAnalysis AnalysisBuilder::describe(uint32_t run) {
  const ChunkRun& from = model_.runs()[run];
  TensorAnalysis tensor;
  tensor.name = from.name;
  tensor.kind = tensor_kind(from.name, from.shape.size());
  tensor.dtype = from.dtype;
  const DTypeInfo* info = find_dtype(from.dtype);
  tensor.dtype_name = info == nullptr ? "?" : info->name;
  tensor.shape.assign(from.shape.begin(), from.shape.end());
  tensor.stack = from.stack;
  tensor.layer = from.layer;
  tensor.same_as = from.same_as;
  tensor.inferred = estimate_.is_inferred(run);
  tensor.figures = estimate_.figures(run);
  const uint32_t owner = from.same_as.value_or(run);
  tensor.values = pass_.values[owner].statistics;
  tensor.histogram = pass_.values[owner].histogram;
  return tensor;
}

void AnalysisBuilder::add_to_groups(uint32_t run, const TensorAnalysis& tensor) {
  const uint32_t family = estimate_.family(run);
  const UnknownChunks unknown = estimate_.unknown(run);
  const auto add = [&](FiguresSum& sum) { sum.add(tensor.figures, family, unknown); };
  add(total_);
  add(kinds_.try_emplace(tensor.kind, estimate_.family_sums()).first->second);
  // What is outside layers sorts last by its number; it is shown first.
  add(layers_.try_emplace({tensor.stack + 1, tensor.layer}, estimate_.family_sums()).first->second);
}

void AnalysisBuilder::add_tensors(ModelAnalysis& analysis) {
  for (uint32_t run = 0; run < model_.runs().size(); ++run) {
    if (model_.runs()[run].kind == ContentKind::kKept) continue;
    TensorAnalysis tensor = describe(run);
    if (tensor.same_as) {
      analysis.duplicate_count += 1;
    } else {
      add_to_groups(run, tensor);
    }
    analysis.tensors.push_back(std::move(tensor));
  }
  analysis.tensor_count = analysis.tensors.size();
}

void AnalysisBuilder::add_groups(ModelAnalysis& analysis) const {
  analysis.total = total_.take();
  for (const auto& [kind, sum] : kinds_) {
    analysis.kinds.push_back({kind, sum.take(), pass_.kind_histograms[static_cast<size_t>(kind)]});
  }
  for (const auto& [place, sum] : layers_) {
    analysis.layers.push_back({place.first - 1, place.second, sum.take()});
  }
}

ContainerSize AnalysisBuilder::container_size() const {
  const std::span<const ChunkRun> runs = model_.runs();
  std::optional<uint32_t> known;  // The run that `share` is of.
  PackedShare share;
  return model_.container_size([&](uint64_t item, uint64_t decoded_bytes) {
    const ChunkSize& measured = pass_.packed_sizes[item];
    if (measured.stored_bytes > 0) return measured;
    const auto after =
        std::ranges::upper_bound(runs, item, {}, &ChunkRun::first_item) - runs.begin();
    const auto run = static_cast<uint32_t>(after - 1);
    if (known != run) {
      known = run;
      share = estimate_.packed_share(run);
    }
    const double stored = share.stored_share * static_cast<double>(decoded_bytes);
    return ChunkSize{std::clamp<uint64_t>(static_cast<uint64_t>(stored + 0.5), 1, decoded_bytes),
                     share.stream_count, share.raw};
  });
}

LoadPrediction AnalysisBuilder::predict(const ModelAnalysis& analysis,
                                        const tools::DeviceProfile& target) const {
  const ContainerSize size = container_size();
  LoadWork work{.read_bytes = size.read_bytes};
  for (const TensorAnalysis& tensor : analysis.tensors) {
    // A chunk that tensors share is decoded for each.
    work.decode_seconds += tensor.figures.packed.decode_seconds;
    work.decoded_bytes += tensor.figures.bytes;
  }
  return predict_loads(target, work.decoded_bytes, size.container_bytes, work);
}

}  // namespace

Result<ModelAnalysis> analyze_model(const ChunkedModel& model, const AnalyzeOptions& options,
                                    ProgressMeter& progress, std::stop_token stop) {
  QLOAD_ASSERT(options.threads >= 1 && options.threads <= kAnalyzeThreadsMax);
  const RunFamilies families = find_families(model);
  const SamplingPlan plan =
      plan_sampling(model, families, read_bytes_max(options.sample, chunked_bytes(model)),
                    options.measured_bytes);
  progress.expect(plan.bytes);
  QLOAD_TRY(
      PassResult pass,
      run_chunk_pass(model, plan, {.threads = options.threads, .device = options.target.device},
                     progress, std::move(stop)));
  const ModelEstimate estimate(model, families, std::move(pass.sums));
  AnalysisBuilder builder(model, estimate, pass);
  ModelAnalysis analysis;
  analysis.format = model.format_name();
  analysis.input_bytes = model.source_bytes();
  count_chunks(model, plan, analysis);
  builder.add_tensors(analysis);
  builder.add_groups(analysis);
  analysis.load = builder.predict(analysis, options.target);
  if (analysis.total.bytes > 0) {
    analysis.sample_share =
        static_cast<double>(analysis.total.read_bytes) / static_cast<double>(analysis.total.bytes);
  }
  analysis.threads = options.threads;
  progress.finish();
  analysis.seconds = progress.seconds();
  return analysis;
}

}  // namespace qload::analyze
