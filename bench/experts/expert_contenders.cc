#include "bench/experts/expert_contenders.h"

#include <sys/mman.h>

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bench/load/plain_file.h"
#include "format/base/checked.h"
#include "format/base/checksum.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "format/input/model_source.h"
#include "qload/model.h"

namespace qload::bench {
namespace {

std::vector<std::string> step_names(const ExpertStep& step) {
  std::vector<std::string> names;
  for (const uint32_t expert : step.experts) {
    for (std::string& name : moe_expert_names(step.layer, expert)) {
      names.push_back(std::move(name));
    }
  }
  return names;
}

Status check_tensor(const TensorInfo& info, std::span<const std::byte> data) {
  if (data.size() == info.bytes && digest_of(data) == info.digest) return Ok{};
  return Error(ErrorCode::kCorrupt,
               text("wrong answer: tensor ", quote(info.name), " does not have its digest"));
}

/// libqload's cache, through its public interface.
class CacheContender : public ExpertContender {
 public:
  static Result<std::unique_ptr<ExpertContender>> make(const ExpertSetting& setting, bool hints) {
    std::unique_ptr<CacheContender> contender(new CacheContender(hints));
    QLOAD_TRY(Model model, Model::open(setting.packed));
    contender->model_.emplace(std::move(model));
    QLOAD_TRY(Loader loader, Loader::create(setting.loader));
    contender->loader_.emplace(std::move(loader));
    CacheOptions options;
    options.budget_bytes = setting.budget_bytes;
    QLOAD_TRY(TensorCache cache, contender->loader_->cache(*contender->model_, options));
    contender->cache_.emplace(std::move(cache));
    return std::unique_ptr<ExpertContender>(std::move(contender));
  }

  Status use(const ExpertStep& step, const ExpertStep* next) override {
    const std::vector<std::string> names = step_names(step);
    const std::vector<std::string_view> wanted(names.begin(), names.end());
    QLOAD_TRY(const std::vector<TensorView> views, cache_->acquire(wanted));
    if (hints_ && next != nullptr) {
      const std::vector<std::string> hinted = step_names(*next);
      QLOAD_CHECK(cache_->prefetch(std::vector<std::string_view>(hinted.begin(), hinted.end())));
    }
    for (const TensorView& view : views) QLOAD_CHECK(check_tensor(*view.info, view.data));
    return cache_->release(wanted);
  }

  std::optional<CacheStatistics> statistics() const override { return cache_->statistics(); }

 private:
  explicit CacheContender(bool hints) : hints_(hints) {}

  const bool hints_;
  // Destroyed last to first.
  std::optional<Model> model_;
  std::optional<Loader> loader_;
  std::optional<TensorCache> cache_;
};

/// The plain file mapped: the page cache is the cache. Nothing is copied.
class MmapExperts : public ExpertContender {
 public:
  static Result<std::unique_ptr<ExpertContender>> make(const ExpertSetting& setting,
                                                       bool will_need) {
    std::unique_ptr<MmapExperts> contender(new MmapExperts(will_need));
    QLOAD_TRY(const ModelSource source, open_model_source(setting.plain, OpenAs::kSafetensors));
    for (const SourceTensor& tensor : source.tensors()) {
      contender->offsets_[std::string(tensor.name)] = tensor.offset;
    }
    QLOAD_TRY(Model model, Model::open(setting.packed));  // For the digests.
    contender->model_.emplace(std::move(model));
    QLOAD_TRY(contender->file_, MappedFile::map(setting.plain));
    return std::unique_ptr<ExpertContender>(std::move(contender));
  }

  Status use(const ExpertStep& step, const ExpertStep*) override {
    const std::vector<std::string> names = step_names(step);
    if (will_need_) {
      for (const std::string& name : names) advise(bytes_of(name));
    }
    for (const std::string& name : names) {
      QLOAD_CHECK(check_tensor(*model_->find(name), bytes_of(name)));
    }
    return Ok{};
  }

 private:
  explicit MmapExperts(bool will_need) : will_need_(will_need) {}

  std::span<const std::byte> bytes_of(const std::string& name) const {
    return file_.bytes().subspan(offsets_.at(name), model_->find(name)->bytes);
  }
  static void advise(std::span<const std::byte> bytes) {
    const uint64_t begin = align_down(reinterpret_cast<uintptr_t>(bytes.data()), 4096);
    const uint64_t end = reinterpret_cast<uintptr_t>(bytes.data()) + bytes.size();
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_WILLNEED);
  }

  const bool will_need_;
  std::map<std::string, uint64_t> offsets_;
  std::optional<Model> model_;
  MappedFile file_;
};

constexpr std::array kKinds = {
    ExpertContenderKind{
        "mmap", false, "the plain file mapped, pages as they are touched",
        [](const ExpertSetting& setting) { return MmapExperts::make(setting, false); }},
    ExpertContenderKind{
        "mmap-willneed", false, "the same, MADV_WILLNEED for all experts of a step first",
        [](const ExpertSetting& setting) { return MmapExperts::make(setting, true); }},
    ExpertContenderKind{
        "qload", true, "TensorCache, the experts of a step acquired at once",
        [](const ExpertSetting& setting) { return CacheContender::make(setting, false); }},
    ExpertContenderKind{
        "qload-hints", true, "the same, and the next step's experts as a hint",
        [](const ExpertSetting& setting) { return CacheContender::make(setting, true); }},
};

}  // namespace

std::span<const ExpertContenderKind> all_expert_contenders() { return kKinds; }

}  // namespace qload::bench
