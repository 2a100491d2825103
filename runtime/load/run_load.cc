// One load on a Loader: choose how to read, plan, run, report.
#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "format/base/format_text.h"
#include "format/base/try.h"
#include "runtime/io/direct_io.h"
#include "runtime/load/chunk_sharing.h"
#include "runtime/load/loader_state.h"
#include "runtime/plan/packed_plan.h"
#include "runtime/plan/read_plan.h"

namespace qload::internal {

namespace {

// How often the calling thread looks up to report progress and to notice a stop.
constexpr std::chrono::milliseconds kProgressInterval{50};

// Reads of a load out of the page cache: what a thread copies should still lie in its cache when it
// decodes (docs/performance.md, "Warm").
constexpr uint64_t kCachedReadBytes = 256u << 10;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// How this load reads its file.
struct ReadChoice {
  IoBackend backend = IoBackend::kPread;
  DirectFile direct_file;
  bool direct = false;
  bool direct_refused = false;
  bool cached_file = false;
  bool by_decode_threads = false;  ///< Out of the page cache, without an I/O thread.
  bool drop_afterwards = false;
};

// io_uring with O_DIRECT where both work. Through the page cache io_uring is slower than pread
// threads, cold and warm alike, so without O_DIRECT the automatic choice is pread; and a file that
// lies in the page cache is read from there, by the threads that decode it (docs/performance.md).
Result<ReadChoice> choose_reads(const LoaderState& state, const ModelState& model,
                                PageCache page_cache) {
  const LoaderOptions& options = state.options;
  const File& file = model.container.file;
  const bool required = options.direct_io == DirectIo::kRequired;
  if (required && page_cache == PageCache::kKeep) {
    return Error(ErrorCode::kInvalidArgument,
                 "LoaderOptions::direct_io requires O_DIRECT, which contradicts "
                 "LoadOptions::page_cache kKeep");
  }
  ReadChoice choice;
  bool want_direct = options.direct_io != DirectIo::kDisabled && page_cache != PageCache::kKeep;
  if (!state.staging.direct_allowed()) {
    if (required) {
      return Error(ErrorCode::kUnsupported,
                   "O_DIRECT is required, but the staging allocator's memory forbids it");
    }
    want_direct = false;
  }
  if (!required && page_cache != PageCache::kBypass) {
    choice.cached_file = file_is_cached(file.descriptor(), file.base_offset(), file.bytes());
    if (choice.cached_file && options.io_backend == IoBackend::kAuto) want_direct = false;
  }
  if (want_direct) {
    auto opened = DirectFile::open(file.descriptor());
    if (opened.ok()) {
      choice.direct_file = std::move(opened).value();
      choice.direct = true;
    } else if (required) {
      return opened.error().at(text(quote(file.name()), ": O_DIRECT is required"));
    } else {
      choice.direct_refused = true;
    }
  }
  choice.by_decode_threads =
      choice.cached_file && !choice.direct && options.io_backend == IoBackend::kAuto;
  choice.drop_afterwards =
      page_cache == PageCache::kDrop || (page_cache == PageCache::kBypass && !choice.direct);
  const bool uring = options.io_backend == IoBackend::kUring ||
                     (options.io_backend == IoBackend::kAuto && choice.direct);
  choice.backend = uring && state.uring_works() ? IoBackend::kUring : IoBackend::kPread;
  return choice;
}

/// Bounds what planning allocates by the size of the index and of the destinations. No sum
/// overflows: those of the index are proven.
Status check_sharing(const ModelState& model, std::span<const LoadTarget> targets) {
  const Index& index = model.container.index;
  uint64_t parts = 0;
  uint64_t bytes = 0;
  for (const LoadTarget& target : targets) {
    parts += std::min(index.tensors()[target.tensor].chunk_count, target.chunks.count);
    bytes += index.tensors()[target.tensor].bytes;
  }
  return check_chunk_sharing(model, parts, bytes);
}

std::vector<PlanTensor> plan_tensors(std::span<const LoadTarget> targets) {
  std::vector<PlanTensor> tensors;
  tensors.reserve(targets.size());
  for (const LoadTarget& target : targets) {
    tensors.push_back({target.tensor, target.data, target.direct_allowed, target.chunks});
  }
  return tensors;
}

ReadPlan plan_reads(const LoaderState& state, const ModelState& model,
                    std::span<const LoadTarget> targets, const ReadChoice& choice,
                    TargetForm form) {
  PlanOptions options;
  options.base_offset = model.container.file.base_offset();
  // At most a quarter of the staging memory, so that reading and decoding overlap.
  options.read_bytes = static_cast<uint32_t>(
      std::min<uint64_t>(state.options.read_bytes, state.options.staging_bytes / 4));
  options.alignment = choice.direct ? choice.direct_file.alignment() : 1;
  if (choice.by_decode_threads) {
    options.read_bytes =
        static_cast<uint32_t>(std::min<uint64_t>(options.read_bytes, kCachedReadBytes));
    options.gap_bytes = 0;
  }
  options.stored = form == TargetForm::kStored;
  return make_read_plan(model.container.index, plan_tensors(targets), options);
}

// The stage that the others waited for. Decode threads without data wait for storage; an I/O thread
// without a staging region waits for decode threads, and then the larger of their two duties is to
// blame. Where decode threads read out of the page cache nobody waits, and the largest duty is to
// blame.
LoadStage find_bound(const LoadStatistics& statistics) {
  if (statistics.bytes_decoded == 0) return LoadStage::kNone;
  const LoadStage larger = statistics.prefault_busy_seconds > statistics.decode_busy_seconds
                               ? LoadStage::kDestination
                               : LoadStage::kDecode;
  if (statistics.cache_read_seconds > 0) {
    const bool copying = statistics.cache_read_seconds > statistics.decode_busy_seconds &&
                         statistics.cache_read_seconds > statistics.prefault_busy_seconds;
    return copying ? LoadStage::kPageCache : larger;
  }
  if (statistics.bytes_read == 0) return larger;  // Decoded from memory.
  const double data_wait = statistics.decode_wait_seconds / std::max(statistics.decode_threads, 1u);
  return data_wait > statistics.staging_wait_seconds ? LoadStage::kStorage : larger;
}

/// False when the callback threw: it must not unwind through a load that is under way.
bool report(const LoadOptions& options, uint64_t decoded, uint64_t total) {
  if (!options.on_progress) return true;
  try {
    options.on_progress({decoded, total});
    return true;
  } catch (...) {
    return false;
  }
}

/// Leaves the turnstile on every way out.
struct Turn {
  Turnstile& turnstile;
  ~Turn() { turnstile.leave(); }
};

/// In-place reads that the kernel refuses come back through staging, so it holds any read.
Status check_regions(const StagingArea& staging, const ReadPlan& plan) {
  for (const PlanRead& read : plan.reads) {
    if (read.bytes <= staging.region_bytes_max()) continue;
    return Error(ErrorCode::kBudgetTooSmall, text("staging memory of ", staging.memory().size(),
                                                  " bytes is smaller than one read of ", read.bytes,
                                                  " bytes that this model's largest chunk needs"));
  }
  return Ok{};
}

LoadSession::Setup set_up(LoaderState& state, const ModelState& model, const LoadSetting& setting,
                          const LoadOptions& options) {
  LoadSession::Setup setup;
  setup.container = &model.container;
  setup.verify = options.verify;
  setup.huge_pages = options.huge_pages;
  setup.stop = options.stop;
  setup.staging = &state.staging;
  setup.pool = state.pool.get();
  setup.fresh_memory = setting.fresh_memory;
  return setup;
}

/// Runs the session to its end. The feed is read by the I/O thread until then; both null: decode
/// threads find the data themselves.
void run_session(LoadSession& session, IoThread* io, ReadFeed* feed, const LoadOptions& options) {
  const uint64_t total = session.plan().decoded_bytes;
  session.start();
  if (io != nullptr) {
    io->post(feed);
  } else {
    session.close();
  }
  while (!session.wait_finished(kProgressInterval)) {
    if (!report(options, session.decoded_bytes(), total)) session.cancel();
  }
  session.give_up_turn();
}

Status run_in_turn(LoaderState& state, const ModelState& model, std::span<const LoadTarget> targets,
                   const LoadSetting& setting, const LoadOptions& options,
                   LoadStatistics& statistics, bool& ring_broke) {
  QLOAD_TRY(ReadChoice choice, choose_reads(state, model, options.page_cache));
  statistics.engine = choice.backend;
  statistics.direct_refused = choice.direct_refused;
  statistics.cached_file = choice.cached_file;
  statistics.kernel_refusal = static_cast<uint32_t>(state.refusal());

  QLOAD_CHECK(check_sharing(model, targets));
  LoadSession::Setup setup = set_up(state, model, setting, options);
  setup.cached = choice.by_decode_threads;
  setup.plan = plan_reads(state, model, targets, choice, setting.form);
  QLOAD_CHECK(check_regions(state.staging, setup.plan));
  IoThread* io = nullptr;
  if (!choice.by_decode_threads) {
    QLOAD_TRY(io, state.io_thread(choice.backend));
  }
  const uint64_t total = setup.plan.decoded_bytes;
  LoadSession session(std::move(setup));
  ReadFeed feed({.session = &session,
                 .staging = &state.staging,
                 .direct_file = choice.direct ? &choice.direct_file : nullptr,
                 .direct_required = state.options.direct_io == DirectIo::kRequired,
                 .series = setting.series});
  run_session(session, io, &feed, options);
  session.add_statistics(statistics);
  if (io != nullptr) feed.add_statistics(statistics);
  ring_broke = feed.facts().broke && choice.backend == IoBackend::kUring;
  if (choice.drop_afterwards) {
    const File& file = model.container.file;
    (void)posix_fadvise(file.descriptor(), static_cast<off_t>(file.base_offset()),
                        static_cast<off_t>(file.bytes()), POSIX_FADV_DONTNEED);
  }
  QLOAD_CHECK(session.take_status());
  report(options, total, total);
  return Ok{};
}

/// Clears `statistics` and fills in what is known before a load.
void begin_statistics(const LoaderState& state, const DestinationBlock* block,
                      LoadStatistics& statistics) {
  statistics = {};
  statistics.decode_threads = state.pool->thread_count();
  statistics.queue_depth = state.options.queue_depth;
  statistics.staging_bytes = state.options.staging_bytes;
  if (block == nullptr) return;
  statistics.destination_bytes = block->bytes();
  statistics.pinned_bytes = block->pinned_bytes();
}

void end_statistics(Clock::time_point begin, LoadStatistics& statistics) {
  statistics.seconds = seconds_since(begin);
  statistics.bound = find_bound(statistics);
}

}  // namespace

Status run_load(LoaderState& state, const ModelState& model, std::span<const LoadTarget> targets,
                const LoadSetting& setting, const LoadOptions& options,
                std::chrono::steady_clock::time_point begin) {
  LoadStatistics local;
  LoadStatistics& statistics = options.statistics != nullptr ? *options.statistics : local;
  begin_statistics(state, setting.block, statistics);
  QLOAD_CHECK(state.turnstile.enter(options.stop));
  const Turn turn{state.turnstile};
  bool ring_broke = false;
  Status status = run_in_turn(state, model, targets, setting, options, statistics, ring_broke);
  if (!status.ok() && ring_broke && state.options.io_backend == IoBackend::kAuto &&
      !options.stop.stop_requested()) {
    // The kernel stopped serving io_uring after the Loader was made, for example because the
    // application entered a sandbox. The ring is gone now; pread threads start over.
    status = run_in_turn(state, model, targets, setting, options, statistics, ring_broke);
  }
  end_statistics(begin, statistics);
  return status;
}

Status run_decode(LoaderState& state, const ModelState& model, const PackedStore& store,
                  std::span<const LoadTarget> targets, const LoadSetting& setting,
                  const LoadOptions& options, std::chrono::steady_clock::time_point begin) {
  LoadStatistics local;
  LoadStatistics& statistics = options.statistics != nullptr ? *options.statistics : local;
  begin_statistics(state, setting.block, statistics);
  QLOAD_CHECK(check_sharing(model, targets));
  QLOAD_CHECK(state.turnstile.enter(options.stop));
  const Turn turn{state.turnstile};
  LoadSession::Setup setup = set_up(state, model, setting, options);
  setup.packed = &store;
  setup.plan = make_decode_plan(model.container.index, plan_tensors(targets));
  const uint64_t total = setup.plan.decoded_bytes;
  LoadSession session(std::move(setup));
  run_session(session, nullptr, nullptr, options);
  session.add_statistics(statistics);
  end_statistics(begin, statistics);
  QLOAD_CHECK(session.take_status());
  report(options, total, total);
  return Ok{};
}

}  // namespace qload::internal
