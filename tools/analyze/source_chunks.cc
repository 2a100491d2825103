#include "tools/analyze/source_chunks.h"

#include <utility>
#include <vector>

#include "format/base/try.h"
#include "format/pack/find_duplicates.h"
#include "format/pack/pack_plan.h"
#include "format/pack/pack_recipe.h"
#include "format/pack/source_watch.h"

namespace qload::analyze {
namespace {

class SourceChunks final : public ChunkedModel {
 public:
  SourceChunks(std::unique_ptr<const ModelSource> source, PackPlan plan, PackRecipe recipe)
      : source_(std::move(source)), plan_(std::move(plan)), recipe_(std::move(recipe)) {
    runs_.reserve(plan_.runs().size());
    for (const PackRun& run : plan_.runs()) runs_.push_back(to_chunk_run(run));
  }

  std::string_view format_name() const override {
    for (const SourceFile& file : source_->files()) {
      if (file.format != SourceFormat::kCompanion) return source_format_name(file.format);
    }
    return source_format_name(SourceFormat::kRaw);
  }
  uint64_t source_bytes() const override { return source_->bytes(); }
  std::span<const ChunkRun> runs() const override { return runs_; }
  uint64_t item_count() const override { return plan_.item_count(); }
  uint64_t chunk_bytes(const ChunkRun& run, uint64_t chunk) const override {
    return plan_run(run).cut.bytes_of(chunk);
  }

  Status read(const ChunkRun& run, uint64_t chunk, ChunkReader& reader) const override {
    reader.decoded.resize(chunk_bytes(run, chunk));
    return read_run_chunk(*source_, plan_, plan_run(run), chunk, reader.decoded);
  }

  void read_ahead(const ChunkRun& run, uint64_t chunk) const override {
    if (run.kind == ContentKind::kKept) return;
    const PackRun& planned = plan_run(run);
    const SourceTensor& tensor = source_->tensors()[planned.number];
    advise_will_read(source_->handle(tensor.file), tensor.offset + planned.cut.offset_of(chunk),
                     planned.cut.bytes_of(chunk));
  }

  std::optional<ChunkForm> stored_form(const ChunkRun&, uint64_t) const override { return {}; }
  const TargetDevice& pack_device(const ChunkRun& run, uint64_t item) const override {
    return recipe_.device_of(run.kind, item);
  }
  ContainerSize container_size(
      const std::function<ChunkSize(uint64_t, uint64_t)>& size_of) const override {
    const ContainerEstimate estimate = estimate_container(*source_, plan_, PackOptions{}, size_of);
    return {estimate.container_bytes, estimate.read_bytes()};
  }
  std::span<const std::string> left_out() const override { return source_->left_out(); }

 private:
  ChunkRun to_chunk_run(const PackRun& run) const {
    ChunkRun out{.kind = run.kind,
                 .bytes = run.cut.bytes,
                 .stack = run.stack,
                 .layer = run.layer,
                 .same_as = run.shared_run,
                 .first_item = run.first_item,
                 .chunk_count = run.cut.chunk_count};
    if (run.kind == ContentKind::kKept) return out;
    const SourceTensor& tensor = source_->tensors()[run.number];
    out.name = tensor.name;
    out.dtype = tensor.dtype;
    out.shape = tensor.shape;
    out.bytes = tensor.bytes;
    return out;
  }
  const PackRun& plan_run(const ChunkRun& run) const { return plan_.runs()[&run - runs_.data()]; }

  std::unique_ptr<const ModelSource> source_;
  PackPlan plan_;
  PackRecipe recipe_;
  std::vector<ChunkRun> runs_;
};

}  // namespace

Result<std::unique_ptr<ChunkedModel>> chunks_of_source(ModelSource opened,
                                                       const OpenOptions& options,
                                                       ProgressMeter& progress,
                                                       std::stop_token stop) {
  auto source = std::make_unique<const ModelSource>(std::move(opened));
  QLOAD_TRY(const std::vector<uint32_t> same_as,
            find_duplicates(*source, options.threads, progress, stop));
  const PackOptions pack{.target = options.target};
  QLOAD_TRY(PackPlan plan, PackPlan::create(*source, pack.chunk_bytes, same_as));
  QLOAD_TRY(PackRecipe recipe, choose_pack_recipe(*source, plan, pack, options.threads, stop));
  return std::unique_ptr<ChunkedModel>(
      std::make_unique<SourceChunks>(std::move(source), std::move(plan), std::move(recipe)));
}

}  // namespace qload::analyze
