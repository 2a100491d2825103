#include "runtime/load/memory_budget.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "format/base/checked.h"
#include "format/base/format_text.h"
#include "format/base/try.h"
#include "runtime/memory/resident_bytes.h"

namespace qload::internal {

namespace {

constexpr uint64_t kStagingBytesMin = 4u << 20;
// Regions of the staging area begin at multiples of up to 64 KiB (see DirectFile).
constexpr uint64_t kStagingGranule = 64u << 10;

// A chunk's part in a plan: its PlanChunk (24 bytes), or its PlanRawChunk with three reads and
// pieces (240); a read of a long raw chunk beyond those (72); a tensor's view, target and place in
// the order of names (100). Vectors that grow hold up to twice that.
constexpr uint64_t kPartBytes = 512;
constexpr uint64_t kReadBytes = 144;
constexpr uint64_t kTensorBytes = 256;
// A decode thread besides its scratch memory: zstd's context (160 KiB), tables, stack.
constexpr uint64_t kThreadBytes = 256u << 10;
// Queues, ring, stacks of the threads that read.
constexpr uint64_t kLoadBytes = 1u << 20;

/// What one load takes.
struct MemoryNeed {
  uint64_t staging_bytes = 0;      // Of the library's own, as below.
  uint64_t destination_bytes = 0;  // The block.
  bool destination_there = false;  // It is a kept one: its pages are counted by the kernel already.
  uint64_t bookkeeping_bytes = 0;
};

std::string describe(uint64_t needed, const MemoryNeed& need) {
  return text("this load needs ", needed, " bytes (staging ", need.staging_bytes, ", tensors ",
              need.destination_bytes, ", bookkeeping ", need.bookkeeping_bytes, ")");
}

/// No sum here overflows in practice; one that does is larger than any limit.
uint64_t saturating_sum(uint64_t a, uint64_t b) {
  return checked_add(a, b).value_or(std::numeric_limits<uint64_t>::max());
}

/// What bounds a load that begins now.
struct MemoryLimits {
  uint64_t option_bytes = 0;  // 0: none.
  std::optional<CgroupMemory> group;

  bool any() const { return option_bytes != 0 || group.has_value(); }
};

MemoryLimits read_limits(const LoaderState& state) {
  return {state.options.memory_bytes_max, read_cgroup_memory(state.memory_groups)};
}

Status check_option(const LoaderState& state, uint64_t allowed, const MemoryNeed& need) {
  if (allowed == 0) return Ok{};
  const uint64_t load_bytes =
      saturating_sum(need.staging_bytes + need.bookkeeping_bytes, need.destination_bytes);
  const uint64_t lent_bytes = state.blocks->lent_bytes();
  const uint64_t others = saturating_sum(state.blocks->kept_bytes(), lent_bytes);
  if (saturating_sum(load_bytes, others) <= allowed) return Ok{};
  const std::string beside =
      lent_bytes == 0 ? "" : text(" beside ", lent_bytes, " of other loads' weights");
  return Error(ErrorCode::kBudgetTooSmall,
               text(describe(load_bytes, need), beside,
                    ", and LoaderOptions::memory_bytes_max allows ", allowed));
}

// Only what has no pages yet still counts against the group's headroom.
Status check_group(const LoaderState& state, const CgroupMemory& group, MemoryNeed need) {
  if (need.staging_bytes > 0) {
    need.staging_bytes -= std::min(need.staging_bytes, resident_bytes(state.staging.memory()));
  }
  if (need.destination_there) need.destination_bytes = 0;
  const uint64_t needed =
      saturating_sum(need.staging_bytes + need.bookkeeping_bytes, need.destination_bytes);
  const uint64_t promised = state.blocks->unfilled_bytes();  // To loads under way.
  if (saturating_sum(needed, promised) <= group.headroom_bytes) return Ok{};
  const std::string beside =
      promised == 0 ? "" : text(" beside ", promised, " that loads under way will fill");
  return Error(ErrorCode::kBudgetTooSmall,
               text(describe(needed, need), beside, ", and the control group ", quote(group.folder),
                    " allows ", group.headroom_bytes, ", what is left of its limit of ",
                    group.limit_bytes, " (LoaderOptions::ignore_cgroup overrides)"));
}

Status check_limits(const LoaderState& state, const MemoryLimits& limits, const MemoryNeed& need) {
  QLOAD_CHECK(check_option(state, limits.option_bytes, need));
  return limits.group ? check_group(state, *limits.group, need) : Status(Ok{});
}

MemoryNeed base_need(const LoaderState& state, const ModelState& model,
                     std::span<const uint32_t> tensors) {
  MemoryNeed need;
  if (state.options.staging_allocator.allocate == nullptr) {
    need.staging_bytes = state.options.staging_bytes;
  }
  need.bookkeeping_bytes = bookkeeping_bytes(model.container.index, tensors, state.options);
  return need;
}

Result<DestinationBlock> allocate_fresh(const LoaderState& state,
                                        const DestinationPool::Request& request) {
  auto block = DestinationBlock::allocate(request.bytes, request.alignment, {}, request.pinning);
  if (block.ok() || state.blocks->kept_bytes() == 0) return block;
  // Kept blocks hold memory, and part of what may be locked.
  state.blocks->clear();
  return DestinationBlock::allocate(request.bytes, request.alignment, {}, request.pinning);
}

uint64_t most_scratch(const Index& index, std::span<const ChunkRecord> chunks) {
  uint64_t bytes = 0;
  for (const ChunkRecord& chunk : chunks) {
    bytes = std::max(bytes, decode_scratch_bytes(index.form(chunk)));
  }
  return bytes;
}

}  // namespace

uint64_t staging_within(uint64_t asked_bytes, uint64_t limit_bytes) {
  const uint64_t quarter = align_down(limit_bytes / 4, kStagingGranule);
  return std::min(asked_bytes, std::max(quarter, kStagingBytesMin));
}

Status fit_staging(LoaderOptions& options, std::span<const CgroupFolder> groups) {
  if (options.staging_allocator.allocate != nullptr) return Ok{};
  const uint64_t allowed = options.memory_bytes_max;
  if (allowed != 0) options.staging_bytes = staging_within(options.staging_bytes, allowed);
  if (const auto group = read_cgroup_memory(groups)) {
    options.staging_bytes = staging_within(options.staging_bytes, group->headroom_bytes);
  }
  if (allowed == 0 || options.staging_bytes <= allowed) return Ok{};
  return Error(ErrorCode::kBudgetTooSmall,
               text("staging memory alone needs ", options.staging_bytes,
                    " bytes, and LoaderOptions::memory_bytes_max allows ", allowed));
}

// No product overflows: the counts are those of a proven index, which lies in memory.
uint64_t bookkeeping_bytes(const Index& index, std::span<const uint32_t> tensors,
                           const LoaderOptions& options) {
  const uint64_t read_bytes =
      std::max<uint64_t>(1, std::min<uint64_t>(options.read_bytes, options.staging_bytes / 4));
  uint64_t parts = 0;
  uint64_t long_reads = 0;
  for (const uint32_t tensor : tensors) {
    const TensorRecord& record = index.tensors()[tensor];
    parts += record.chunk_count;
    long_reads += record.bytes / read_bytes;
  }
  // Tensors may share chunks without end: no chunk is looked at more often than the index has them.
  uint64_t scratch_bytes = 0;
  if (parts > index.chunks().size()) {
    scratch_bytes = most_scratch(index, index.chunks());
  } else {
    for (const uint32_t tensor : tensors) {
      const auto chunks = index.chunks_of(index.tensors()[tensor]);
      scratch_bytes = std::max(scratch_bytes, most_scratch(index, chunks));
    }
  }
  return kLoadBytes + options.decode_threads * (kThreadBytes + scratch_bytes) +
         tensors.size() * kTensorBytes + parts * kPartBytes + long_reads * kReadBytes;
}

// One load at a time: what is checked and what is lent is one decision.
Result<DestinationBlock> acquire_block(LoaderState& state, const ModelState& model,
                                       std::span<const uint32_t> tensors,
                                       const DestinationPool::Request& request,
                                       const Allocator& hook) {
  const std::lock_guard lock(state.admission);
  if (hook.allocate != nullptr) {
    QLOAD_CHECK(check_budget_into(state, model, tensors));
    return DestinationBlock::allocate(request.bytes, request.alignment, hook, request.pinning);
  }
  std::optional<DestinationBlock> kept = state.blocks->take(request);
  const MemoryLimits limits = read_limits(state);
  if (limits.any()) {
    MemoryNeed need = base_need(state, model, tensors);
    need.destination_bytes = kept ? kept->own_bytes() : request.bytes;
    need.destination_there = kept.has_value();
    Status fits = check_limits(state, limits, need);
    if (!fits.ok() && (kept || state.blocks->kept_bytes() > 0)) {
      // What is kept for later loads must not keep this one from running, and a kept block may be
      // up to twice what is needed.
      kept.reset();
      state.blocks->clear();
      need.destination_bytes = request.bytes;
      need.destination_there = false;
      fits = check_limits(state, read_limits(state), need);
    }
    if (!fits.ok()) return fits.error().at(quote(model.container.file.name()));
  }
  DestinationBlock block;
  if (kept) {
    block = std::move(*kept);
  } else {
    QLOAD_TRY(block, allocate_fresh(state, request));
  }
  state.blocks->lend(block);
  return block;
}

Status check_budget_into(const LoaderState& state, const ModelState& model,
                         std::span<const uint32_t> tensors) {
  const MemoryLimits limits = read_limits(state);
  if (!limits.any()) return Ok{};
  const MemoryNeed need = base_need(state, model, tensors);
  Status fits = check_limits(state, limits, need);
  if (!fits.ok() && state.blocks->kept_bytes() > 0) {
    state.blocks->clear();
    fits = check_limits(state, read_limits(state), need);
  }
  if (!fits.ok()) return fits.error().at(quote(model.container.file.name()));
  return Ok{};
}

}  // namespace qload::internal
