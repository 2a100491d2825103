// The public face of the cache.
#include <utility>

#include "format/base/try.h"
#include "qload/cache.h"
#include "runtime/cache/cache_state.h"
#include "runtime/load/no_throw.h"

namespace qload {

using internal::without_throwing;

Result<TensorCache> Loader::cache(const Model& model, const CacheOptions& options) {
  return without_throwing([&]() -> Result<TensorCache> {
    QLOAD_TRY(auto state, internal::CacheState::create(*state_, model.state(), options));
    return TensorCache(std::move(state));
  });
}

TensorCache::TensorCache(std::unique_ptr<internal::CacheState> state) : state_(std::move(state)) {}
TensorCache::~TensorCache() = default;
TensorCache::TensorCache(TensorCache&&) noexcept = default;
TensorCache& TensorCache::operator=(TensorCache&&) noexcept = default;

Status TensorCache::prefetch(std::span<const std::string_view> names) {
  return without_throwing([&] { return state_->prefetch(names); });
}

Result<TensorView> TensorCache::acquire(std::string_view name) {
  return without_throwing([&]() -> Result<TensorView> {
    QLOAD_TRY(const std::vector<TensorView> views, state_->acquire(std::span(&name, 1)));
    return views.front();
  });
}

Result<std::vector<TensorView>> TensorCache::acquire(std::span<const std::string_view> names) {
  return without_throwing([&] { return state_->acquire(names); });
}

Status TensorCache::release(std::string_view name) {
  return without_throwing([&] { return state_->release(std::span(&name, 1)); });
}

Status TensorCache::release(std::span<const std::string_view> names) {
  return without_throwing([&] { return state_->release(names); });
}

CacheStatistics TensorCache::statistics() const { return state_->statistics(); }

}  // namespace qload
