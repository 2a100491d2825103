// libqload's stream, through its public interface.
#include <optional>
#include <utility>
#include <vector>

#include "bench/stream/pass_contender.h"
#include "format/base/try.h"
#include "qload/loader.h"
#include "qload/model.h"

namespace qload::bench {
namespace {

class QloadPasses : public PassContender {
 public:
  explicit QloadPasses(const PassSetting& setting) : setting_(setting) {}

  Status open() override {
    QLOAD_TRY(Model model, Model::open(setting_.packed));
    model_.emplace(std::move(model));
    LoaderOptions loader_options;
    loader_options.decode_threads = setting_.threads;
    loader_options.staging_bytes = setting_.budget.staging_bytes;
    QLOAD_TRY(Loader loader, Loader::create(loader_options));
    loader_.emplace(std::move(loader));
    StreamOptions options;
    options.budget_bytes = setting_.budget.budget_bytes;
    options.passes = 0;  // The last pass that is timed is followed by one, as the others are.
    options.keep_packed = setting_.keep_packed;
    options.rates = setting_.budget.rates;
    options.load.page_cache = PageCache::kBypass;
    QLOAD_TRY(LayerStream stream, loader_->stream(*model_, options));
    stream_.emplace(std::move(stream));
    return Ok{};
  }

  size_t layer_count() const override { return stream_->facts().parts_per_pass; }

  Result<std::span<const PassTensor>> next() override {
    QLOAD_TRY(Layer layer, stream_->next());
    tensors_.clear();
    for (const LayerTensor& tensor : layer.tensors()) {
      const auto number = static_cast<uint32_t>(tensor.info - model_->tensors().data());
      tensors_.push_back({.tensor = number, .data = tensor.data});
    }
    layer_.emplace(std::move(layer));
    return std::span<const PassTensor>(tensors_);
  }

  void release() override { layer_.reset(); }

  void describe_pass(PassSample& sample) override {
    const PassStatistics pass = stream_->last_pass();
    sample.load_seconds = pass.load_seconds;
    sample.decode_busy_seconds = pass.decode_busy_seconds;
    sample.bytes_read = pass.bytes_read;
  }

  uint64_t resident_bytes() const override { return stream_->facts().resident_bytes; }
  std::optional<StreamFacts> facts() const override { return stream_->facts(); }

 private:
  const PassSetting& setting_;
  std::optional<Model> model_;
  std::optional<Loader> loader_;
  std::optional<LayerStream> stream_;
  std::optional<Layer> layer_;
  std::vector<PassTensor> tensors_;
};

}  // namespace

std::unique_ptr<PassContender> make_qload_passes(const PassModel& model) {
  return std::make_unique<QloadPasses>(model.setting);
}

}  // namespace qload::bench
