#include "tools/qrun/packed_source.h"

#include <utility>
#include <vector>

#include "format/base/try.h"
#include "qload/loader.h"
#include "qload/packed.h"
#include "tools/qrun/packed_rows.h"
#include "tools/qrun/stopwatch.h"

namespace qload::qrun {
namespace {

// Stored bytes land in place: staging memory serves the few tensors that are decoded.
constexpr uint64_t kStagingBytes = 4u << 20;

class PackedSource : public WeightSource {
 public:
  PackedSource(PackedWeights matrices, Weights vectors, uint32_t worker_count)
      : matrices_(std::move(matrices)), vectors_(std::move(vectors)), cursors_(worker_count) {}

  Status open_rows(const Model& model, const WeightPlan& plan) {
    const std::vector<bool> is_matrix = mark_matrices(plan, model.tensors().size());
    std::vector<TensorBytes> places;
    for (size_t i = 0; i < is_matrix.size(); ++i) {
      const TensorInfo& tensor = model.tensors()[i];
      TensorBytes& place = places.emplace_back();
      if (is_matrix[i]) {
        QLOAD_TRY(PackedRows rows, PackedRows::open(matrices_, tensor, cursors_));
        rows_.push_back(std::make_unique<PackedRows>(std::move(rows)));
        place.strips = rows_.back().get();
      } else if (const TensorView* vector = vectors_.find(tensor.name)) {
        place.data = vector->data;
      }
    }
    for (const std::vector<uint32_t>& tensors : plan.steps) {
      std::vector<TensorBytes>& step = steps_.emplace_back();
      for (const uint32_t tensor : tensors) step.push_back(places[tensor]);
    }
    return Ok{};
  }

  Result<std::span<const TensorBytes>> begin_step(uint32_t step) override {
    return std::span<const TensorBytes>(steps_[step]);
  }
  void end_step() override {}
  WeightStatistics statistics() const override { return statistics_; }
  void set_statistics(const WeightStatistics& statistics) { statistics_ = statistics; }

 private:
  const PackedWeights matrices_;
  const Weights vectors_;
  CursorTeam cursors_;
  std::vector<std::unique_ptr<PackedRows>> rows_;
  std::vector<std::vector<TensorBytes>> steps_;
  WeightStatistics statistics_;
};

}  // namespace

Result<std::unique_ptr<WeightSource>> open_packed_source(const ModelFile& model,
                                                         const WeightPlan& plan,
                                                         const WeightOptions& options) {
  const Stopwatch watch;
  const Model& packed = *model.packed();
  const std::vector<bool> is_matrix = mark_matrices(plan, packed.tensors().size());
  std::vector<std::string_view> names[2];  // Of others, of matrices.
  for (size_t i = 0; i < is_matrix.size(); ++i) {
    names[is_matrix[i]].push_back(packed.tensors()[i].name);
  }
  // Gone when the weights are there, and its memory with it.
  LoaderOptions loader_options;
  loader_options.staging_bytes = kStagingBytes;
  QLOAD_TRY(Loader loader, Loader::create(loader_options));
  LoadStatistics loads[2];
  LoadOptions load_options;
  load_options.stop = options.stop;
  load_options.statistics = &loads[0];
  QLOAD_TRY(Weights vectors, loader.load(packed, names[0], load_options));
  load_options.statistics = &loads[1];
  QLOAD_TRY(PackedWeights matrices, loader.load_packed(packed, names[1], load_options));
  const uint64_t resident_bytes = matrices.stored_bytes() + loads[0].destination_bytes;
  auto source =
      std::make_unique<PackedSource>(std::move(matrices), std::move(vectors), options.thread_count);
  QLOAD_CHECK(source->open_rows(packed, plan));
  source->set_statistics({.load_seconds = watch.seconds(),
                          .bytes_read = loads[0].bytes_read + loads[1].bytes_read,
                          .resident_bytes = resident_bytes,
                          .direct = loads[1].direct});
  return std::unique_ptr<WeightSource>(std::move(source));
}

}  // namespace qload::qrun
