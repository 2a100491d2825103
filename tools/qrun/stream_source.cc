#include "tools/qrun/stream_source.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "format/base/try.h"
#include "qload/loader.h"
#include "tools/qrun/stopwatch.h"
#include "tools/qrun/stream_layout.h"

namespace qload::qrun {
namespace {

/// Rows of a tensor of a container, one at a time: for an embedding, of which a token needs one
/// row. Each reads and decodes the chunk that it lies in. For one worker.
class StoredRows : public RowStrips {
 public:
  StoredRows(Loader& loader, const Model& model, std::string_view tensor, uint64_t row_bytes,
             std::stop_token stop)
      : loader_(loader), model_(model), tensor_(tensor), row_(row_bytes), stop_(std::move(stop)) {}

  Status seek(uint32_t, uint64_t row) override {
    next_row_ = row;
    return Ok{};
  }
  Result<RowStrip> next_rows(uint32_t, uint64_t) override {
    const Stopwatch watch;
    LoadStatistics load;
    LoadOptions options;
    options.stop = stop_;
    options.statistics = &load;
    QLOAD_CHECK(loader_.load_rows(model_, tensor_, next_row_, 1, row_, options));
    bytes_read_ += load.bytes_read;
    direct_ = load.direct;
    wait_seconds_ += watch.seconds();
    return RowStrip{row_.data(), next_row_++, 1};
  }

  uint64_t bytes_read() const { return bytes_read_; }
  double wait_seconds() const { return wait_seconds_; }
  bool direct() const { return direct_; }

 private:
  Loader& loader_;
  const Model& model_;
  const std::string_view tensor_;
  std::vector<std::byte> row_;
  const std::stop_token stop_;
  uint64_t next_row_ = 0;
  uint64_t bytes_read_ = 0;
  double wait_seconds_ = 0;
  bool direct_ = false;
};

class StreamSource : public WeightSource {
 public:
  StreamSource(const ModelFile& model, const WeightPlan& plan, StreamLayout layout, Loader loader,
               LayerStream stream, const WeightOptions& options)
      : model_(*model.packed()),
        plan_(plan),
        layout_(std::move(layout)),
        places_(model_.tensors().size()),
        loader_(std::move(loader)),
        stream_(std::move(stream)) {
    if (!layout_.embedding_by_rows) return;
    const TensorInfo& embedding = model_.tensors()[plan.steps.front()[plan.embedding.slot]];
    embedding_rows_ = std::make_unique<StoredRows>(loader_, model_, embedding.name,
                                                   plan.embedding.row_bytes, options.stop);
  }

  Result<std::span<const TensorBytes>> begin_step(uint32_t step) override {
    const Stopwatch watch;
    const size_t count = layout_.groups.size();
    while (next_group_ < count && layout_.groups[next_group_].first_step == step) {
      QLOAD_TRY(Layer layer, stream_.next());
      for (const LayerTensor& tensor : layer.tensors()) {
        places_[static_cast<size_t>(tensor.info - model_.tensors().data())] = tensor.data;
      }
      held_.push_back({std::move(layer), layout_.groups[next_group_].last_step});
      if (++next_group_ == count) finish_pass();
    }
    wait_seconds_ += watch.seconds();
    open_step_ = step;
    return list_step(step);
  }

  void end_step() override {
    std::erase_if(held_, [&](const HeldLayer& held) { return held.last_step == open_step_; });
    if (open_step_ + 1 == plan_.step_count()) next_group_ = 0;
  }

  WeightStatistics statistics() const override {
    WeightStatistics out;
    out.load_seconds = load_seconds_;
    out.wait_seconds = wait_seconds_;
    out.bytes_read = bytes_read_;
    out.stream = stream_.facts();
    out.last_pass = last_pass_;
    out.resident_bytes = out.stream.resident_bytes + out.stream.packed_bytes;
    if (embedding_rows_) {
      out.wait_seconds += embedding_rows_->wait_seconds();
      out.bytes_read += embedding_rows_->bytes_read();
      out.direct = embedding_rows_->direct();
    }
    return out;
  }

  void set_load_seconds(double seconds) { load_seconds_ = seconds; }

 private:
  struct HeldLayer {
    Layer layer;
    uint32_t last_step = 0;
  };

  void finish_pass() {
    last_pass_ = stream_.last_pass();
    bytes_read_ += last_pass_.bytes_read;
  }

  std::span<const TensorBytes> list_step(uint32_t step) {
    step_.clear();
    for (const uint32_t tensor : plan_.steps[step]) {
      const bool by_row = step == 0 && embedding_rows_ && step_.size() == plan_.embedding.slot;
      if (by_row) {
        step_.push_back({.strips = embedding_rows_.get()});
      } else {
        step_.push_back({.data = places_[tensor]});
      }
    }
    return step_;
  }

  const Model& model_;
  const WeightPlan& plan_;
  const StreamLayout layout_;
  std::vector<std::span<const std::byte>> places_;  // Of tensors, in the layers held.
  std::vector<TensorBytes> step_;
  Loader loader_;
  LayerStream stream_;  // Goes before its Loader does.
  std::unique_ptr<StoredRows> embedding_rows_;
  std::vector<HeldLayer> held_;
  size_t next_group_ = 0;
  uint32_t open_step_ = 0;
  double load_seconds_ = 0;
  double wait_seconds_ = 0;
  uint64_t bytes_read_ = 0;
  PassStatistics last_pass_;
};

std::vector<std::string_view> views_of(const std::vector<std::string>& patterns) {
  return {patterns.begin(), patterns.end()};
}

/// Staging holds what is read ahead of decoding: enough for the drive, little beside the layers.
uint64_t staging_bytes(uint64_t budget_bytes) {
  return std::clamp<uint64_t>(budget_bytes / 16, 1u << 20, LoaderOptions().staging_bytes);
}

}  // namespace

Result<std::unique_ptr<WeightSource>> open_stream_source(const ModelFile& model,
                                                         const WeightPlan& plan,
                                                         const WeightOptions& options) {
  const Stopwatch watch;
  LoaderOptions loader_options;
  loader_options.decode_threads = options.thread_count;
  loader_options.staging_bytes = staging_bytes(options.budget_bytes);
  QLOAD_TRY(Loader loader, Loader::create(loader_options));

  StreamLayout layout = plan_stream(model.packed()->tensors(), plan);
  std::vector<uint32_t> order;
  for (const StreamedGroup& group : layout.groups) order.push_back(group.group);
  const std::vector<std::string_view> resident = views_of(layout.resident);
  const std::vector<std::string_view> skip = views_of(layout.skip);
  StreamOptions stream_options;
  stream_options.budget_bytes = options.budget_bytes;
  stream_options.passes = 0;
  stream_options.order = order;
  stream_options.resident = resident;
  stream_options.skip = skip;
  stream_options.keep_packed = options.keep_packed;
  stream_options.rates = options.rates;
  stream_options.load.stop = options.stop;
  QLOAD_TRY(LayerStream stream, loader.stream(*model.packed(), stream_options));
  auto source = std::make_unique<StreamSource>(model, plan, std::move(layout), std::move(loader),
                                               std::move(stream), options);
  source->set_load_seconds(watch.seconds());
  return std::unique_ptr<WeightSource>(std::move(source));
}

}  // namespace qload::qrun
