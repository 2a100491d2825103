#include "qload/loader.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <numeric>
#include <string>
#include <utility>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "runtime/host/cgroup_folders.h"
#include "runtime/host/cgroup_limits.h"
#include "runtime/host/processors.h"
#include "runtime/load/load_call.h"
#include "runtime/load/loader_state.h"
#include "runtime/load/memory_budget.h"
#include "runtime/load/no_throw.h"
#include "runtime/load/tensor_layout.h"
#include "runtime/load/weights_state.h"

namespace qload {

namespace internal {

namespace {

template <class T>
Status check_range(std::string_view name, T value, T minimum, T maximum) {
  if (value >= minimum && value <= maximum) return Ok{};
  return Error(ErrorCode::kInvalidArgument, text("LoaderOptions::", name, " is ", value,
                                                 ", expected ", minimum, " to ", maximum));
}

Status check_hook(std::string_view name, const Allocator& hook) {
  if ((hook.allocate == nullptr) == (hook.release == nullptr)) return Ok{};
  return Error(ErrorCode::kInvalidArgument,
               text(name, ": allocate and release must both be set, or neither"));
}

// The most that LoaderOptions::decode_threads may ask for, and that the default takes.
constexpr uint32_t kDecodeThreadsMax = 1024;

Status check_options(const LoaderOptions& options) {
  QLOAD_CHECK(check_range<uint32_t>("queue_depth", options.queue_depth, 1, 4096));
  QLOAD_CHECK(
      check_range<uint32_t>("decode_threads", options.decode_threads, 0, kDecodeThreadsMax));
  QLOAD_CHECK(check_range<uint64_t>("staging_bytes", options.staging_bytes, 1u << 20, 1u << 30));
  QLOAD_CHECK(check_range<uint32_t>("read_bytes", options.read_bytes, 64u << 10, 16u << 20));
  QLOAD_CHECK(check_range<int32_t>("thread_nice", options.thread_nice, -20, 19));
  return check_hook("LoaderOptions::staging_allocator", options.staging_allocator);
}

Result<std::unique_ptr<IoThread>> start_io(const LoaderState& state, IoBackend backend,
                                           int* refusal) {
  const LoaderOptions& options = state.options;
  IoThread::Options io;
  io.backend = backend;
  io.engine.queue_depth = options.queue_depth;
  // Regions are given out lowest first: a load seldom comes further than this, and what is
  // registered is touched.
  constexpr size_t kRegisteredBytesMax = 16u << 20;
  const std::span<std::byte> staging = state.staging.memory();
  io.staging = staging.first(std::min(staging.size(), kRegisteredBytesMax));
  // At most half of the staging memory in flight, so that reading and decoding overlap.
  io.largest.part_bytes = options.read_bytes;
  io.largest.in_flight_bytes = static_cast<uint32_t>(options.staging_bytes / 2);
  // The decode threads' niceness would let them wait for it.
  ThreadPlacement placement = state.placement;
  placement.nice = 0;
  io.on_start = [placement] {
    apply_placement(placement);
    ask_for_short_turns();
  };
  return IoThread::start(io, state.factory, refusal);
}

}  // namespace

Result<IoThread*> LoaderState::io_thread(IoBackend backend) {
  if (backend == IoBackend::kUring) return uring.get();
  const std::lock_guard lock(pread_mutex_);
  if (pread_ == nullptr) {
    QLOAD_TRY(pread_, start_io(*this, IoBackend::kPread, nullptr));
  }
  return pread_.get();
}

void LoaderState::announce_room() {
  pool->retry();
  if (uring != nullptr) uring->nudge();
  const std::lock_guard lock(pread_mutex_);
  if (pread_ != nullptr) pread_->nudge();
}

Result<std::unique_ptr<LoaderState>> create_loader_state(LoaderOptions options,
                                                         EngineFactory factory) {
  QLOAD_CHECK(check_options(options));
  QLOAD_CHECK(apply_environment(options));
  auto state = std::make_unique<LoaderState>();
  QLOAD_TRY(state->placement, place_threads({options.decode_threads, options.processors,
                                             options.thread_nice, options.ignore_cgroup}));
  options.decode_threads = std::min(state->placement.thread_count, kDecodeThreadsMax);
  options.processors = {};  // The caller's, and only for as long as create runs.
  if (!options.ignore_cgroup) state->memory_groups = find_cgroup_folders("memory");
  QLOAD_CHECK(fit_staging(options, state->memory_groups));
  state->blocks = std::make_shared<DestinationPool>(options.reuse_bytes);
  state->options = options;
  state->factory = std::move(factory);
  QLOAD_CHECK(state->staging.allocate(options.staging_bytes, options.staging_allocator));
  state->staging.set_listener([raw = state.get()] { raw->announce_room(); });
  QLOAD_TRY(state->pool, DecodePool::create(options.decode_threads, [placement = state->placement] {
              apply_placement(placement);
            }));
  if (options.io_backend != IoBackend::kPread) {
    auto started = start_io(*state, IoBackend::kUring, &state->uring_refusal);
    if (started.ok()) {
      state->uring = std::move(started).value();
    } else if (options.io_backend == IoBackend::kUring) {
      return std::move(started).error();
    }
  }
  return state;
}

Status check_load_options(const LoadOptions& options) {
  return check_hook("LoadOptions::allocator", options.allocator);
}

Result<std::vector<uint32_t>> find_tensors(const ModelState& model,
                                           std::span<const std::string_view> names) {
  std::vector<uint32_t> numbers;
  numbers.reserve(names.size());
  for (const std::string_view name : names) {
    const auto number = model.container.index.find(name);
    if (!number) {
      return Error(ErrorCode::kNotFound,
                   text(quote(model.container.file.name()), " has no tensor ", quote(name)));
    }
    numbers.push_back(*number);
  }
  // Load order, whatever the order of the names: reads stay sequential.
  std::sort(numbers.begin(), numbers.end());
  const auto twice = std::adjacent_find(numbers.begin(), numbers.end());
  if (twice != numbers.end()) {
    return Error(ErrorCode::kInvalidArgument,
                 text("tensor ", quote(model.tensors[*twice].name), " is named twice"));
  }
  return numbers;
}

Result<std::vector<LoadTarget>> find_targets(const ModelState& model,
                                             std::span<const Destination> destinations) {
  std::vector<std::string_view> names;
  names.reserve(destinations.size());
  for (const Destination& destination : destinations) names.push_back(destination.name);
  QLOAD_CHECK(find_tensors(model, names));
  std::vector<LoadTarget> targets;
  targets.reserve(destinations.size());
  for (const Destination& destination : destinations) {
    const uint32_t number = *model.container.index.find(destination.name);
    const uint64_t bytes = model.tensors[number].bytes;
    if (destination.data.size() != bytes) {
      return Error(ErrorCode::kInvalidArgument,
                   text("destination of tensor ", quote(destination.name), " has ",
                        destination.data.size(), " bytes, expected ", bytes));
    }
    targets.push_back({number, destination.data.data(), true});
  }
  std::vector<Destination> by_address(destinations.begin(), destinations.end());
  std::erase_if(by_address, [](const Destination& one) { return one.data.empty(); });
  std::sort(by_address.begin(), by_address.end(), [](const auto& a, const auto& b) {
    return std::less<>()(a.data.data(), b.data.data());
  });
  for (size_t i = 1; i < by_address.size(); ++i) {
    const Destination& before = by_address[i - 1];
    if (std::less<>()(by_address[i].data.data(), before.data.data() + before.data.size())) {
      return Error(ErrorCode::kInvalidArgument,
                   text("destinations of tensors ", quote(before.name), " and ",
                        quote(by_address[i].name), " overlap"));
    }
  }
  return targets;
}

LoadOptions report_to(LoadStatistics& statistics, const LoadOptions& options) {
  LoadOptions reporting = options;
  if (options.on_progress) reporting.on_progress = std::ref(options.on_progress);
  reporting.statistics = &statistics;
  return reporting;
}

Status load_block(LoaderState& state, const ModelState& model, std::span<const LoadTarget> targets,
                  DestinationBlock& block, const LoadOptions& options,
                  std::chrono::steady_clock::time_point begin, TargetForm form) {
  LoadStatistics& statistics = *options.statistics;
  LoadSetting setting{.block = &block, .form = form};
  if (block.fresh_mapping()) setting.fresh_memory = {block.data(), block.bytes()};
  const Status loaded = run_load(state, model, targets, setting, options, begin);
  if (block.reusable()) {
    statistics.reused_bytes = block.bytes();
    statistics.huge_pages = block.huge_pages();
  }
  QLOAD_CHECK(loaded);
  block.mark_used(statistics.huge_pages);
  state.blocks->filled(block);
  return Ok{};
}

}  // namespace internal

namespace {

using internal::LoadTarget;
using internal::ModelState;
using internal::without_throwing;

}  // namespace

std::optional<uint64_t> memory_headroom() {
  const auto tightest = read_cgroup_memory(find_cgroup_folders("memory"));
  if (!tightest) return std::nullopt;
  return tightest->headroom_bytes;
}

Loader::Loader(std::unique_ptr<internal::LoaderState> state) : state_(std::move(state)) {}
Loader::~Loader() = default;
Loader::Loader(Loader&&) noexcept = default;
Loader& Loader::operator=(Loader&&) noexcept = default;

Result<Loader> Loader::create(const LoaderOptions& options) {
  return without_throwing([&]() -> Result<Loader> {
    QLOAD_TRY(auto state, internal::create_loader_state(options, kernel_engine_factory()));
    return Loader(std::move(state));
  });
}

Result<Weights> Loader::load_numbers(const Model& model, std::span<const uint32_t> numbers,
                                     const LoadOptions& options, internal::BlockSource source) {
  const auto begin = std::chrono::steady_clock::now();
  QLOAD_CHECK(internal::check_load_options(options));
  const ModelState& state = model.state();
  const auto layout = internal::lay_out_tensors(state, numbers, 0);
  if (!layout) {
    return Error(ErrorCode::kOutOfMemory,
                 text(quote(state.container.file.name()), " decodes to ", model.decoded_bytes(),
                      " bytes, more than an address space holds"));
  }
  LoadStatistics own_statistics;
  LoadStatistics& statistics = options.statistics != nullptr ? *options.statistics : own_statistics;
  statistics = {};
  auto weights = std::make_unique<internal::WeightsState>();
  weights->memory.pool = state_->blocks;
  DestinationBlock& block = weights->memory.block;
  QLOAD_TRY(block, internal::acquire_block(*state_, state, numbers,
                                           {layout->end, state.container.superblock.alignment,
                                            options.pinning, options.huge_pages, source},
                                           options.allocator));
  std::vector<LoadTarget> targets;
  targets.reserve(numbers.size());
  for (size_t i = 0; i < numbers.size(); ++i) {
    targets.push_back({numbers[i], block.data() + layout->offsets[i], block.direct_allowed()});
  }
  QLOAD_CHECK(internal::load_block(*state_, state, targets, block,
                                   internal::report_to(statistics, options), begin,
                                   internal::TargetForm::kDecoded));
  weights->tensors.reserve(numbers.size());
  for (const LoadTarget& target : targets) {
    const TensorInfo& info = state.tensors[target.tensor];
    weights->tensors.push_back({&info, {target.data, info.bytes}});
  }
  weights->sort_names();
  return Weights(std::move(weights));
}

Result<Weights> Loader::load(const Model& model, const LoadOptions& options) {
  return without_throwing([&]() -> Result<Weights> {
    std::vector<uint32_t> numbers(model.tensors().size());
    std::iota(numbers.begin(), numbers.end(), 0u);
    return load_numbers(model, numbers, options, internal::BlockSource::kAny);
  });
}

Result<Weights> Loader::load(const Model& model, std::span<const std::string_view> names,
                             const LoadOptions& options) {
  return without_throwing([&]() -> Result<Weights> {
    QLOAD_TRY(const auto numbers, internal::find_tensors(model.state(), names));
    return load_numbers(model, numbers, options, internal::BlockSource::kAny);
  });
}

Status Loader::load_into(const Model& model, std::span<const Destination> destinations,
                         const LoadOptions& options) {
  return without_throwing([&]() -> Status {
    const auto begin = std::chrono::steady_clock::now();
    if (options.statistics != nullptr) *options.statistics = {};
    QLOAD_TRY(const auto targets, internal::find_targets(model.state(), destinations));
    std::vector<uint32_t> numbers;
    numbers.reserve(targets.size());
    for (const LoadTarget& target : targets) numbers.push_back(target.tensor);
    QLOAD_CHECK(internal::check_budget_into(*state_, model.state(), numbers));
    return internal::run_load(*state_, model.state(), targets, {}, options, begin);
  });
}

}  // namespace qload
