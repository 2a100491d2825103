// qload/c_cache.h over qload/cache.h and qload/expand.h.
#include <stop_token>
#include <utility>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "qload/c_cache.h"
#include "qload/cache.h"
#include "runtime/c_api_call.h"
#include "runtime/c_api_structs.h"

using qload::Error;
using qload::ErrorCode;
using qload::Ok;
using qload::Status;
using qload::text;

struct qload_cache {
  std::stop_source stop;
  qload::TensorCache cache;
  const qload_model* model;
};

namespace {

namespace c_api = qload::c_api;
using c_api::guarded;
using c_api::require;

qload::Result<bool> to_flag(uint32_t value, std::string_view field) {
  if (value <= 1) return value == 1;
  return Error(ErrorCode::kInvalidArgument, text(field, " is ", value, "; expected 0 or 1"));
}

qload::Result<qload::CacheOptions> to_cache_options(const qload_cache_options* options) {
  QLOAD_TRY(const qload_cache_options from, c_api::read_options(options, "qload_cache_options"));
  if (from.reserved != 0) {
    return Error(ErrorCode::kInvalidArgument,
                 text("qload_cache_options.reserved is ", from.reserved, "; expected 0"));
  }
  if (from.unit > QLOAD_CACHE_UNIT_LAYER) {
    return Error(ErrorCode::kInvalidArgument,
                 text("qload_cache_options.unit is ", from.unit, "; expected 0 to ",
                      static_cast<uint32_t>(QLOAD_CACHE_UNIT_LAYER)));
  }
  qload::CacheOptions to;
  to.budget_bytes = from.budget_bytes;
  to.unit = static_cast<qload::CacheUnit>(from.unit);
  QLOAD_TRY(const qload_load_options load, c_api::read_options(from.load, "qload_load_options"));
  QLOAD_TRY(to.load, c_api::to_load_options(load));
  return to;
}

qload_cache_statistics to_c_statistics(const qload::CacheStatistics& from) {
  qload_cache_statistics to = {};
  to.hits = from.hits;
  to.waited_hits = from.waited_hits;
  to.misses = from.misses;
  to.evictions = from.evictions;
  to.prefetches = from.prefetches;
  to.dropped_prefetches = from.dropped_prefetches;
  to.bytes_read = from.bytes_read;
  to.bytes_decoded = from.bytes_decoded;
  to.wait_seconds = from.wait_seconds;
  to.capacity_bytes = from.capacity_bytes;
  to.used_bytes = from.used_bytes;
  to.held_bytes = from.held_bytes;
  return to;
}

qload_expand_statistics to_c_statistics(const qload::ExpandStatistics& from) {
  qload_expand_statistics to = {};
  to.reason = from.reason;
  to.file_bytes = from.file_bytes;
  to.bytes_read = from.bytes_read;
  to.seconds = from.seconds;
  to.built = from.built ? 1 : 0;
  return to;
}

/// The names of a call on a cache, its arguments checked.
qload::Result<std::vector<std::string_view>> names_of(const qload_cache* cache,
                                                      const char* const* names, size_t count) {
  QLOAD_CHECK(require(cache, "cache"));
  if (count != 0) QLOAD_CHECK(require(names, "names"));
  return c_api::collect_names(names, count);
}

}  // namespace

extern "C" {

int qload_cache_open(qload_loader* loader, const qload_model* model,
                     const qload_cache_options* options, qload_cache** cache, qload_error* error) {
  if (cache != nullptr) *cache = nullptr;
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(loader, "loader"));
    QLOAD_CHECK(require(model, "model"));
    QLOAD_CHECK(require(cache, "cache"));
    QLOAD_TRY(qload::CacheOptions ours, to_cache_options(options));
    std::stop_source stop;
    ours.load.stop = stop.get_token();
    QLOAD_TRY(qload::TensorCache made, loader->loader.cache(model->model, ours));
    *cache = new qload_cache{std::move(stop), std::move(made), model};
    return Ok{};
  });
}

void qload_cache_close(qload_cache* cache) { delete cache; }

void qload_cache_cancel(qload_cache* cache) {
  if (cache != nullptr) cache->stop.request_stop();
}

int qload_cache_prefetch(qload_cache* cache, const char* const* names, size_t count,
                         qload_error* error) {
  return guarded(error, [&]() -> Status {
    QLOAD_TRY(const auto wanted, names_of(cache, names, count));
    return cache->cache.prefetch(wanted);
  });
}

int qload_cache_acquire(qload_cache* cache, const char* const* names, size_t count,
                        qload_tensor* out, qload_error* error) {
  return guarded(error, [&]() -> Status {
    QLOAD_TRY(const auto wanted, names_of(cache, names, count));
    if (count == 0) return Ok{};
    QLOAD_CHECK(require(out, "out"));
    // Nothing may fail once the tensors are held.
    QLOAD_TRY([[maybe_unused]] const size_t stride,
              c_api::read_struct_bytes(out, sizeof *out, "qload_tensor"));
    QLOAD_TRY(const auto views, cache->cache.acquire(wanted));
    c_api::fill_tensors(out, count, count, [&](size_t i) {
      return c_api::describe(*cache->model, *views[i].info, views[i].data.data());
    });
    return Ok{};
  });
}

int qload_cache_release(qload_cache* cache, const char* const* names, size_t count,
                        qload_error* error) {
  return guarded(error, [&]() -> Status {
    QLOAD_TRY(const auto wanted, names_of(cache, names, count));
    return cache->cache.release(wanted);
  });
}

int qload_cache_get_statistics(const qload_cache* cache, qload_cache_statistics* statistics,
                               qload_error* error) {
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(cache, "cache"));
    QLOAD_CHECK(require(statistics, "statistics"));
    return c_api::write_struct(to_c_statistics(cache->cache.statistics()), statistics,
                               "qload_cache_statistics");
  });
}

int qload_expand(qload_loader* loader, const qload_model* model, const char* path,
                 const qload_expand_options* options, qload_weights** weights, qload_error* error) {
  if (weights != nullptr) *weights = nullptr;
  return guarded(error, [&]() -> Status {
    QLOAD_CHECK(require(loader, "loader"));
    QLOAD_CHECK(require(model, "model"));
    QLOAD_CHECK(require(path, "path"));
    QLOAD_CHECK(require(weights, "weights"));
    QLOAD_TRY(const qload_expand_options from,
              c_api::read_options(options, "qload_expand_options"));
    qload::ExpandOptions ours;
    QLOAD_TRY(ours.rebuild, to_flag(from.rebuild, "qload_expand_options.rebuild"));
    QLOAD_TRY(ours.verify, to_flag(from.verify, "qload_expand_options.verify"));
    c_api::LoadCall call;
    QLOAD_CHECK(call.prepare(from.load));
    ours.load = call.options();
    qload::ExpandStatistics statistics;
    ours.statistics = &statistics;
    size_t statistics_bytes = 0;
    if (from.statistics != nullptr) {
      QLOAD_TRY(statistics_bytes, c_api::read_struct_bytes(from.statistics, sizeof *from.statistics,
                                                           "qload_expand_statistics"));
    }
    auto expanded = loader->loader.expand(model->model, path, ours);
    if (from.statistics != nullptr) {
      const qload_expand_statistics filled = to_c_statistics(statistics);
      c_api::copy_out(&filled, sizeof filled, from.statistics, statistics_bytes);
    }
    if (!expanded.ok()) return std::move(expanded).error();
    *weights = new qload_weights{std::move(expanded).value(), model};
    return Ok{};
  });
}

}  // extern "C"
