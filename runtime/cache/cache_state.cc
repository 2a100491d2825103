#include "runtime/cache/cache_state.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <string>
#include <utility>

#include "format/base/blocked_signals.h"
#include "format/base/checked.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "runtime/load/memory_budget.h"
#include "runtime/load/no_throw.h"

namespace qload::internal {

namespace {

Error cancelled() { return Error(ErrorCode::kCancelled, "the cache was stopped"); }

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

LoadOptions own_options(const LoadOptions& options, const std::stop_source& stop) {
  LoadOptions own = options;
  own.on_progress = {};
  own.statistics = nullptr;
  own.stop = stop.get_token();
  return own;
}

/// The sizes of a cache that fits its budget.
struct CacheSizes {
  std::vector<uint64_t> unit_bytes;
  uint64_t capacity_bytes = 0;
  uint32_t largest_unit = 0;
};

// No sum overflows: unit sizes add up to what the proven index has, plus a block for each tensor.
Result<CacheSizes> size_up(const LoaderState& loader, const ModelState& model,
                           const CacheUnits& units, uint64_t budget_bytes) {
  const uint64_t granule = model.container.superblock.alignment;
  CacheSizes sizes;
  uint64_t all_bytes = 0;
  for (uint32_t unit = 0; unit < units.units.size(); ++unit) {
    sizes.unit_bytes.push_back(units.units[unit].bytes);
    all_bytes += align_up(units.units[unit].bytes, granule);
    if (units.units[unit].bytes > units.units[sizes.largest_unit].bytes) sizes.largest_unit = unit;
  }
  const bool hooked = loader.options.staging_allocator.allocate != nullptr;
  const uint64_t staging_bytes = hooked ? 0 : loader.options.staging_bytes;
  const uint64_t largest_bytes =
      units.units.empty() ? 0 : align_up(sizes.unit_bytes[sizes.largest_unit], granule);
  if (budget_bytes < staging_bytes || budget_bytes - staging_bytes < largest_bytes) {
    const std::string_view name =
        units.units.empty() ? ""
                            : model.tensors[units.units[sizes.largest_unit].tensors.front()].name;
    return Error(
        ErrorCode::kBudgetTooSmall,
        text(quote(model.container.file.name()), ": CacheOptions::budget_bytes is ", budget_bytes,
             "; expected at least ", staging_bytes + largest_bytes, " (staging ", staging_bytes,
             ", the largest unit, that of tensor ", quote(name), ", ", largest_bytes, ")"));
  }
  sizes.capacity_bytes = align_down(std::min(budget_bytes - staging_bytes, all_bytes), granule);
  return sizes;
}

Status check_cache_options(const CacheOptions& options) {
  if ((options.load.allocator.allocate == nullptr) != (options.load.allocator.release == nullptr)) {
    return Error(ErrorCode::kInvalidArgument,
                 "CacheOptions::load.allocator: allocate and release must both be set, or neither");
  }
  if (options.unit > CacheUnit::kLayer) {
    return Error(ErrorCode::kInvalidArgument,
                 text("CacheOptions::unit is ", static_cast<uint32_t>(options.unit),
                      "; expected 0 to ", static_cast<uint32_t>(CacheUnit::kLayer)));
  }
  return Ok{};
}

}  // namespace

CacheState::CacheState(LoaderState& loader, const ModelState& model, const CacheOptions& options,
                       CacheUnits units, std::span<const uint64_t> unit_bytes,
                       uint64_t capacity_bytes)
    : loader_(loader),
      model_(model),
      load_options_(own_options(options.load, stop_)),
      units_(std::move(units)),
      pool_(loader.blocks),
      book_(unit_bytes, capacity_bytes, model.container.superblock.alignment),
      tensor_holds_(model.tensors.size()),
      hint_waits_(unit_bytes.size()) {}

Result<std::unique_ptr<CacheState>> CacheState::create(LoaderState& loader, const ModelState& model,
                                                       const CacheOptions& options) {
  QLOAD_CHECK(check_cache_options(options));
  auto units = group_tensors(model, options.unit);
  if (!units) {
    return Error(ErrorCode::kOutOfMemory, text(quote(model.container.file.name()),
                                               ": a unit is larger than an address space"));
  }
  QLOAD_TRY(const CacheSizes sizes, size_up(loader, model, *units, options.budget_bytes));
  const std::vector<uint32_t> largest =
      units->units.empty() ? std::vector<uint32_t>() : units->units[sizes.largest_unit].tensors;
  std::unique_ptr<CacheState> cache(new CacheState(loader, model, options, std::move(*units),
                                                   sizes.unit_bytes, sizes.capacity_bytes));
  const uint64_t alignment = model.container.superblock.alignment;
  // A block of nothing has no address.
  QLOAD_TRY(cache->block_,
            acquire_block(loader, model, largest,
                          {std::max(sizes.capacity_bytes, alignment), alignment,
                           options.load.pinning, options.load.huge_pages, BlockSource::kFresh},
                          options.load.allocator));
  // A block that was kept has its pages, and so may a hook's.
  if (!cache->block_.fresh_mapping()) cache->touched_bytes_ = sizes.capacity_bytes;
  cache->on_stop_.emplace(options.load.stop, [raw = cache.get()] { raw->stop_.request_stop(); });
  const BlockedSignals blocked;
  cache->prefetcher_ =
      std::jthread([raw = cache.get()] { raw->prefetch_main(raw->stop_.get_token()); });
  return cache;
}

CacheState::~CacheState() {
  on_stop_.reset();
  stop_.request_stop();
  if (prefetcher_.joinable()) prefetcher_.join();
  if (const auto pool = pool_.lock()) pool->end_loan(block_);
}

Result<CacheState::Request> CacheState::find(std::span<const std::string_view> names) const {
  Request request;
  for (const std::string_view name : names) {
    const auto number = model_.container.index.find(name);
    if (!number) {
      return Error(ErrorCode::kNotFound,
                   text(quote(model_.container.file.name()), " has no tensor ", quote(name)));
    }
    request.tensors.push_back(*number);
  }
  std::vector<uint32_t> sorted = request.tensors;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) {
    return Error(ErrorCode::kInvalidArgument,
                 text("tensor ", quote(model_.tensors[*twice].name), " is named twice"));
  }
  // Units in the order in which they are first named.
  std::vector<uint32_t> seen;
  for (const uint32_t tensor : request.tensors) {
    const uint32_t unit = units_.unit_of[tensor];
    const auto place = std::lower_bound(seen.begin(), seen.end(), unit);
    if (place != seen.end() && *place == unit) continue;
    seen.insert(place, unit);
    request.units.push_back(unit);
  }
  return request;
}

class CacheState::Demand {
 public:
  explicit Demand(CacheState& cache) : cache_(cache) { ++cache_.demands_; }
  ~Demand() {
    if (--cache_.demands_ == 0 && !cache_.hints_.empty()) cache_.changed_.notify_all();
  }
  Demand(const Demand&) = delete;
  Demand& operator=(const Demand&) = delete;

 private:
  CacheState& cache_;
};

Result<std::vector<TensorView>> CacheState::acquire(std::span<const std::string_view> names) {
  QLOAD_TRY(const Request request, find(names));
  // What needs memory comes first: once units are held nothing fails but a load.
  std::vector<TensorView> views;
  views.reserve(request.tensors.size());
  std::vector<uint32_t> missing;
  missing.reserve(request.units.size());
  {
    std::unique_lock lock(mutex_);
    const Demand demand(*this);
    QLOAD_CHECK(claim(request, lock, missing));
    if (!missing.empty()) QLOAD_CHECK(load_missing(request, missing, lock));
    for (const uint32_t tensor : request.tensors) {
      const std::byte* const data =
          block_.data() + book_.offset(units_.unit_of[tensor]) + units_.offset_of[tensor];
      views.push_back({&model_.tensors[tensor], {data, model_.tensors[tensor].bytes}});
    }
  }
  return views;
}

// Waits, holding nothing, until no unit of the request is being loaded, and then takes all at once:
// two calls never wait for each other, and each load that is waited for comes to an end.
Status CacheState::claim(const Request& request, std::unique_lock<std::mutex>& lock,
                         std::vector<uint32_t>& missing) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<uint32_t> waited;
  for (bool first = true;; first = false) {
    const size_t waited_before = waited.size();
    for (const uint32_t unit : request.units) {
      if (book_.loading(unit)) waited.push_back(unit);
    }
    if (waited.size() == waited_before) {
      const auto refusal = book_.claim(request.units, missing);
      if (!refusal) {
        if (!first) statistics_.wait_seconds += seconds_since(begin);
        break;
      }
      // What comes on a hint is held by nobody: it can make room once it is there.
      if (!prefetching_) return describe(*refusal);
    }
    const uint64_t ended = loads_ended_;
    changed_.wait(lock, stop_.get_token(), [&] { return loads_ended_ != ended; });
    if (stop_.stop_requested()) return cancelled();
  }
  statistics_.misses += missing.size();
  statistics_.hits += request.units.size() - missing.size();
  for (const uint32_t unit : request.units) {
    const bool was_loading = std::ranges::find(waited, unit) != waited.end();
    if (was_loading && book_.ready(unit)) ++statistics_.waited_hits;
  }
  add_holds(request);
  forget_hints(request);
  return Ok{};
}

Error CacheState::describe(const CacheBook::Refusal& refusal) const {
  const std::string pieces =
      refusal.fragmented ? text(", of which the largest free piece has ", refusal.largest_free)
                         : "";
  return Error(
      ErrorCode::kBudgetTooSmall,
      text(quote(model_.container.file.name()), ": these tensors need ", refusal.needed_bytes,
           " bytes beside ", refusal.pinned_bytes, " that are held, and the cache has ",
           book_.capacity_bytes(), pieces, "; release some and try again"));
}

Status CacheState::load_missing(const Request& request, std::span<const uint32_t> missing,
                                std::unique_lock<std::mutex>& lock) {
  const auto begin = std::chrono::steady_clock::now();
  const std::span<std::byte> fresh = take_fresh(missing);
  lock.unlock();
  LoadStatistics loaded;
  Status status = load(missing, fresh, loaded);
  lock.lock();
  finish(missing, status.ok(), loaded);
  statistics_.wait_seconds += seconds_since(begin);
  if (!status.ok()) end_holds(request);
  return status;
}

// A claim has added one hold to each unit; every name is to have its own.
void CacheState::add_holds(const Request& request) {
  for (const uint32_t tensor : request.tensors) {
    ++tensor_holds_[tensor];
    book_.hold(units_.unit_of[tensor]);
  }
  for (const uint32_t unit : request.units) book_.release(unit);
}

void CacheState::end_holds(const Request& request) {
  for (const uint32_t tensor : request.tensors) {
    --tensor_holds_[tensor];
    book_.release(units_.unit_of[tensor]);
  }
}

void CacheState::forget_hints(const Request& request) {
  for (const uint32_t unit : request.units) {
    if (!hint_waits_[unit]) continue;
    hint_waits_[unit] = false;
    std::erase(hints_, unit);
  }
}

// Regions are given out lowest first: what has never been given out is the end of the block, and
// those that reach into it do so side by side.
std::span<std::byte> CacheState::take_fresh(std::span<const uint32_t> units) {
  const uint64_t begin = touched_bytes_;
  for (const uint32_t unit : units) {
    touched_bytes_ = std::max(touched_bytes_, book_.offset(unit) + book_.unit_bytes(unit));
  }
  return {block_.data() + begin, touched_bytes_ - begin};
}

// Without the mutex: a unit that is being loaded stays where it is.
Status CacheState::load(std::span<const uint32_t> units, std::span<std::byte> fresh,
                        LoadStatistics& statistics) const {
  return without_throwing([&]() -> Status {
    std::vector<LoadTarget> targets;
    for (const uint32_t unit : units) {
      std::byte* const data = block_.data() + book_.offset(unit);
      for (const uint32_t tensor : units_.units[unit].tensors) {
        targets.push_back({tensor, data + units_.offset_of[tensor], block_.direct_allowed()});
      }
    }
    LoadOptions options = load_options_;
    options.statistics = &statistics;
    return run_load(loader_, model_, targets, {.fresh_memory = fresh}, options,
                    std::chrono::steady_clock::now());
  });
}

void CacheState::finish(std::span<const uint32_t> units, bool loaded,
                        const LoadStatistics& statistics) {
  for (const uint32_t unit : units) book_.finish(unit, loaded);
  statistics_.bytes_read += statistics.bytes_read;
  statistics_.bytes_decoded += statistics.bytes_decoded;
  ++loads_ended_;
  changed_.notify_all();
}

Status CacheState::release(std::span<const std::string_view> names) {
  QLOAD_TRY(const Request request, find(names));
  const std::lock_guard lock(mutex_);
  for (const uint32_t tensor : request.tensors) {
    if (tensor_holds_[tensor] > 0) continue;
    return Error(ErrorCode::kInvalidArgument, text("tensor ", quote(model_.tensors[tensor].name),
                                                   " is released and was not held"));
  }
  end_holds(request);
  return Ok{};
}

Status CacheState::prefetch(std::span<const std::string_view> names) {
  QLOAD_TRY(const Request request, find(names));
  const std::lock_guard lock(mutex_);
  for (const uint32_t unit : request.units) {
    if (hint_waits_[unit]) continue;
    hints_.push_back(unit);
    hint_waits_[unit] = true;
  }
  if (demands_ == 0) changed_.notify_all();
  return Ok{};
}

void CacheState::prefetch_main(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  const auto may_go = [this] { return demands_ == 0 && !hints_.empty(); };
  while (changed_.wait(lock, stop, may_go) && !stop.stop_requested()) prefetch_next(lock);
}

void CacheState::prefetch_next(std::unique_lock<std::mutex>& lock) {
  const uint32_t unit = hints_.front();
  hints_.pop_front();
  hint_waits_[unit] = false;
  if (!claim_hint(unit)) return;
  const std::span<const uint32_t> units(&unit, 1);
  const std::span<std::byte> fresh = take_fresh(units);
  prefetching_ = true;
  lock.unlock();
  LoadStatistics loaded;
  const Status status = load(units, fresh, loaded);
  lock.lock();
  prefetching_ = false;
  ++(status.ok() ? statistics_.prefetches : statistics_.dropped_prefetches);
  finish(units, status.ok(), loaded);
}

/// Whether the unit is to be loaded now.
bool CacheState::claim_hint(uint32_t unit) {
  CacheBook::Hint answer = CacheBook::Hint::kDropped;
  try {
    answer = book_.claim_hint(unit);
  } catch (const std::bad_alloc&) {
    // A hint that there is no memory for is dropped like one that does not fit.
  }
  if (answer == CacheBook::Hint::kDropped) ++statistics_.dropped_prefetches;
  return answer == CacheBook::Hint::kLoad;
}

CacheStatistics CacheState::statistics() const {
  const std::lock_guard lock(mutex_);
  CacheStatistics out = statistics_;
  out.evictions = book_.evictions();
  out.capacity_bytes = book_.capacity_bytes();
  out.used_bytes = book_.used_bytes();
  out.held_bytes = book_.pinned_bytes();
  return out;
}

}  // namespace qload::internal
