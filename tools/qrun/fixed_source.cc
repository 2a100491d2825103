#include "tools/qrun/fixed_source.h"

#include <optional>
#include <utility>
#include <vector>

#include "format/base/checked.h"
#include "format/base/file.h"
#include "format/base/try.h"
#include "qload/loader.h"
#include "tools/qrun/mapped_memory.h"
#include "tools/qrun/stopwatch.h"

namespace qload::qrun {
namespace {

/// Where tensors lie for good, and what owns the memory.
class FixedSource : public WeightSource {
 public:
  /// `places`: one for each tensor of the model.
  FixedSource(const WeightPlan& plan, std::span<const TensorBytes> places,
              WeightStatistics statistics)
      : statistics_(statistics) {
    for (const std::vector<uint32_t>& tensors : plan.steps) {
      std::vector<TensorBytes>& step = steps_.emplace_back();
      for (const uint32_t tensor : tensors) step.push_back(places[tensor]);
    }
  }

  Result<std::span<const TensorBytes>> begin_step(uint32_t step) override {
    return std::span<const TensorBytes>(steps_[step]);
  }
  void end_step() override {}
  WeightStatistics statistics() const override { return statistics_; }

  void own(Weights weights) { weights_ = std::move(weights); }
  void own(MappedMemory memory) { memory_.push_back(std::move(memory)); }

 private:
  std::vector<std::vector<TensorBytes>> steps_;
  const WeightStatistics statistics_;
  std::optional<Weights> weights_;
  std::vector<MappedMemory> memory_;
};

// Tensors of a block start on a cache line.
constexpr uint64_t kTensorAlignment = 64;

}  // namespace

Result<std::unique_ptr<WeightSource>> load_packed_weights(const ModelFile& model,
                                                          const WeightPlan& plan) {
  const Stopwatch watch;
  QLOAD_TRY(Loader loader, Loader::create());
  LoadStatistics load;
  LoadOptions options;
  options.statistics = &load;
  QLOAD_TRY(Weights weights, loader.load(*model.packed(), options));
  std::vector<TensorBytes> places;
  for (const ModelTensor& tensor : model.tensors()) {
    places.push_back({.data = weights.find(tensor.name)->data});
  }
  auto source =
      std::make_unique<FixedSource>(plan, places,
                                    WeightStatistics{.load_seconds = watch.seconds(),
                                                     .bytes_read = load.bytes_read,
                                                     .resident_bytes = load.destination_bytes,
                                                     .direct = load.direct});
  source->own(std::move(weights));
  return std::unique_ptr<WeightSource>(std::move(source));
}

Result<std::unique_ptr<WeightSource>> read_plain_weights(const ModelFile& model,
                                                         const WeightPlan& plan) {
  const Stopwatch watch;
  uint64_t bytes = 0;  // Ranges of files that do not overlap: the sum cannot overflow.
  std::vector<uint64_t> offsets;
  uint64_t bytes_read = 0;
  for (const ModelTensor& tensor : model.tensors()) {
    offsets.push_back(bytes);
    bytes += align_up(tensor.bytes, kTensorAlignment);
    bytes_read += tensor.bytes;
  }
  QLOAD_TRY(MappedMemory memory, MappedMemory::allocate(bytes));
  std::vector<TensorBytes> places;
  for (size_t i = 0; i < offsets.size(); ++i) {
    const ModelTensor& tensor = model.tensors()[i];
    const auto place = memory.bytes().subspan(offsets[i], tensor.bytes);
    QLOAD_CHECK(model.plain()->read(tensor.file, tensor.offset, place));
    places.push_back({.data = place});
  }
  auto source = std::make_unique<FixedSource>(
      plan, places,
      WeightStatistics{
          .load_seconds = watch.seconds(), .bytes_read = bytes_read, .resident_bytes = bytes});
  source->own(std::move(memory));
  return std::unique_ptr<WeightSource>(std::move(source));
}

Result<std::unique_ptr<WeightSource>> map_plain_weights(const ModelFile& model,
                                                        const WeightPlan& plan) {
  const Stopwatch watch;
  std::vector<MappedMemory> files;
  for (uint32_t file = 0; file < model.plain()->files().size(); ++file) {
    QLOAD_TRY(MappedMemory memory, MappedMemory::map(model.plain()->handle(file)));
    files.push_back(std::move(memory));
  }
  std::vector<TensorBytes> places;
  for (const ModelTensor& tensor : model.tensors()) {
    places.push_back({.data = files[tensor.file].bytes().subspan(tensor.offset, tensor.bytes)});
  }
  auto source = std::make_unique<FixedSource>(plan, places,
                                              WeightStatistics{.load_seconds = watch.seconds()});
  for (MappedMemory& memory : files) source->own(std::move(memory));
  return std::unique_ptr<WeightSource>(std::move(source));
}

}  // namespace qload::qrun
