// libqload, through its public interface.
#include <sys/resource.h>

#include <optional>
#include <utility>

#include "bench/load/contender.h"
#include "format/base/try.h"
#include "qload/loader.h"
#include "qload/model.h"

namespace qload::bench {
namespace {

struct QloadVariant {
  LoaderOptions loader;
  Pinning pinning = Pinning::kAuto;
  Verify verify = Verify::kChunks;
};

// Lifts RLIMIT_MEMLOCK for one load; needs root. The old limit returns with it.
class UnlimitedMemlock {
 public:
  UnlimitedMemlock() {
    if (getrlimit(RLIMIT_MEMLOCK, &before_) != 0) return;
    const rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    lifted_ = setrlimit(RLIMIT_MEMLOCK, &unlimited) == 0;
  }
  ~UnlimitedMemlock() {
    if (lifted_) setrlimit(RLIMIT_MEMLOCK, &before_);
  }
  UnlimitedMemlock(const UnlimitedMemlock&) = delete;
  UnlimitedMemlock& operator=(const UnlimitedMemlock&) = delete;

 private:
  rlimit before_ = {};
  bool lifted_ = false;
};

// Opening the model and creating the loader are part of every load, and so is what they cost.
class QloadContender : public Contender {
 public:
  QloadContender(const BenchModel& bench_model, QloadVariant variant)
      : bench_model_(bench_model), variant_(variant) {}

  std::vector<std::filesystem::path> files() const override { return {bench_model_.packed}; }

  Status load() override {
    std::optional<UnlimitedMemlock> memlock;
    if (variant_.pinning == Pinning::kRequired) memlock.emplace();
    statistics_ = {};
    QLOAD_TRY(Model model, Model::open(bench_model_.packed));
    model_.emplace(std::move(model));
    QLOAD_TRY(Loader loader, Loader::create(variant_.loader));
    loader_.emplace(std::move(loader));
    QLOAD_TRY(Weights weights, loader_->load(*model_, {.verify = variant_.verify,
                                                       .pinning = variant_.pinning,
                                                       .statistics = &statistics_}));
    weights_.emplace(std::move(weights));
    return Ok{};
  }

  std::span<const std::byte> tensor(uint32_t tensor) const override {
    const TensorView* view = weights_->find(bench_model_.source.tensors()[tensor].name);
    return view == nullptr ? std::span<const std::byte>() : view->data;
  }

  void release() override {
    weights_.reset();
    loader_.reset();
    model_.reset();
  }

  const LoadStatistics* statistics() const override { return &statistics_; }

 private:
  const BenchModel& bench_model_;
  const QloadVariant variant_;
  // In this order: weights go before the model they point into.
  std::optional<Model> model_;
  std::optional<Loader> loader_;
  std::optional<Weights> weights_;
  LoadStatistics statistics_;
};

std::unique_ptr<Contender> make_variant(const BenchModel& model, QloadVariant variant) {
  return std::make_unique<QloadContender>(model, variant);
}

}  // namespace

std::unique_ptr<Contender> make_qload(const BenchModel& model, const ContenderOptions& options) {
  return make_variant(model, {.loader = options.loader});
}

std::unique_ptr<Contender> make_qload_pread(const BenchModel& model,
                                            const ContenderOptions& options) {
  QloadVariant variant{.loader = options.loader};
  variant.loader.io_backend = IoBackend::kPread;
  return make_variant(model, variant);
}

std::unique_ptr<Contender> make_qload_buffered(const BenchModel& model,
                                               const ContenderOptions& options) {
  QloadVariant variant{.loader = options.loader};
  variant.loader.direct_io = DirectIo::kDisabled;
  return make_variant(model, variant);
}

std::unique_ptr<Contender> make_qload_verify_none(const BenchModel& model,
                                                  const ContenderOptions& options) {
  return make_variant(model, {.loader = options.loader, .verify = Verify::kIndexOnly});
}

std::unique_ptr<Contender> make_qload_pinned(const BenchModel& model,
                                             const ContenderOptions& options) {
  return make_variant(model, {.loader = options.loader, .pinning = Pinning::kRequired});
}

std::unique_ptr<Contender> make_qload_unpinned(const BenchModel& model,
                                               const ContenderOptions& options) {
  return make_variant(model, {.loader = options.loader, .pinning = Pinning::kNever});
}

}  // namespace qload::bench
