// libqload's second load: what remains when everything that can be kept is kept.
#include <optional>
#include <utility>
#include <vector>

#include "bench/load/contender.h"
#include "bench/load/fresh_memory.h"
#include "format/base/checked.h"
#include "format/base/limits.h"
#include "format/base/try.h"
#include "qload/loader.h"
#include "qload/model.h"

namespace qload::bench {
namespace {

// Stored and decoded bytes of the first load that are enough to have used all of the staging memory
// and every decode thread; loading all of a large model twice would double a benchmark.
constexpr uint64_t kFirstLoadBytes = 128ull << 20;

// The Model, the Loader and one touched block for all tensors stay; load() decodes into it.
class AgainContender : public Contender {
 public:
  AgainContender(const BenchModel& bench_model, const ContenderOptions& options)
      : bench_model_(bench_model), options_(options) {}

  std::vector<std::filesystem::path> files() const override { return {bench_model_.packed}; }

  Status prepare() override {
    QLOAD_TRY(Model model, Model::open(bench_model_.packed));
    model_.emplace(std::move(model));
    QLOAD_TRY(Loader loader, Loader::create(options_.loader));
    loader_.emplace(std::move(loader));
    uint64_t bytes = 0;
    for (const TensorInfo& tensor : model_->tensors()) {
      bytes += align_up(tensor.bytes, kAlignmentMin);
    }
    QLOAD_TRY(memory_, FreshMemory::allocate(bytes, options_.huge_pages));
    populate_parallel(memory_.bytes(), options_.threads);
    uint64_t offset = 0;
    for (const TensorInfo& tensor : model_->tensors()) {
      destinations_.push_back(
          {.name = tensor.name, .data = memory_.bytes().subspan(offset, tensor.bytes)});
      offset += align_up(tensor.bytes, kAlignmentMin);
    }
    return load_first_tensors();
  }

  Status load() override {
    statistics_ = {};
    return loader_->load_into(*model_, destinations_, {.statistics = &statistics_});
  }

  std::span<const std::byte> tensor(uint32_t tensor) const override {
    const TensorInfo* info = model_->find(bench_model_.source.tensors()[tensor].name);
    if (info == nullptr) return {};
    return destinations_[static_cast<size_t>(info - model_->tensors().data())].data;
  }

  void release() override {
    destinations_.clear();
    loader_.reset();
    model_.reset();
    memory_ = FreshMemory();
  }

  const LoadStatistics* statistics() const override { return &statistics_; }

 private:
  Status load_first_tensors() {
    uint64_t bytes = 0;
    size_t count = 0;
    while (count < destinations_.size() && bytes < kFirstLoadBytes) {
      bytes += destinations_[count++].data.size();
    }
    return loader_->load_into(*model_, std::span(destinations_).first(count));
  }

  const BenchModel& bench_model_;
  const ContenderOptions options_;
  std::optional<Model> model_;
  std::optional<Loader> loader_;
  FreshMemory memory_;
  std::vector<Destination> destinations_;  // In the model's order.
  LoadStatistics statistics_;
};

}  // namespace

std::unique_ptr<Contender> make_qload_again(const BenchModel& model,
                                            const ContenderOptions& options) {
  return std::make_unique<AgainContender>(model, options);
}

}  // namespace qload::bench
