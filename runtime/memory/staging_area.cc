#include "runtime/memory/staging_area.h"

#include <sys/mman.h>

#include <utility>

#include "format/base/assert.h"
#include "format/base/checked.h"
#include "format/base/format_text.h"

namespace qload {

namespace {
// The most that O_DIRECT may ask of memory (see DirectFile): each granule is aligned enough.
constexpr uint64_t kBlockAlignment = StagingArea::kGranuleBytes;

// Staging lies in huge pages where the system has them: a drive takes a limited number of memory
// segments in one request, and a direct read of 1 MiB into 4 KiB pages is 256 of them. It runs at
// half the rate and two and a half times the processor time (docs/performance.md, "Reading").
constexpr uint64_t kHugePageBytes = 2u << 20;
}  // namespace

StagingArea::~StagingArea() {
  if (hook_.release != nullptr && memory_.data() != nullptr) {
    hook_.release(hook_.context, memory_.data(), memory_.size());
  }
}

Status StagingArea::allocate(uint64_t bytes, const Allocator& hook) {
  std::byte* data = nullptr;
  if (hook.allocate != nullptr) {
    if ((hook.flags & kCpuWritable) == 0) {
      return Error(ErrorCode::kUnsupported, "the staging allocator's memory is not CPU-writable");
    }
    data = static_cast<std::byte*>(hook.allocate(hook.context, bytes, kBlockAlignment));
    if (reinterpret_cast<uintptr_t>(data) % kBlockAlignment != 0) {
      hook.release(hook.context, data, bytes);
      return Error(
          ErrorCode::kInvalidArgument,
          text("the staging allocator returned memory that is not aligned to ", kBlockAlignment));
    }
    hook_ = hook;
    direct_allowed_ = (hook.flags & kNoDirectIo) == 0;
  } else {
    own_ = HostBlock::allocate(bytes, kHugePageBytes);
    data = own_.data();
    // Advice only: where huge pages are off or short, small ones serve.
    if (data != nullptr) madvise(data, bytes, MADV_HUGEPAGE);
  }
  if (data == nullptr) {
    hook_ = {};
    return Error(ErrorCode::kOutOfMemory, text("cannot get ", bytes, " bytes of staging memory"));
  }
  memory_ = {data, bytes};
  granules_.resize(bytes / kGranuleBytes);
  return Ok{};
}

std::optional<uint32_t> StagingArea::find_free(uint32_t count) const {
  uint32_t free_count = 0;
  for (uint32_t i = 0; i < granules_.size(); ++i) {
    free_count = granules_[i].used ? 0 : free_count + 1;
    if (free_count == count) return i + 1 - count;
  }
  return std::nullopt;
}

std::optional<uint32_t> StagingArea::acquire(uint64_t bytes, const void* party) {
  const auto count = static_cast<uint32_t>(align_up(bytes, kGranuleBytes) / kGranuleBytes);
  QLOAD_ASSERT(count >= 1 && count <= granules_.size());
  std::optional<uint32_t> found;
  bool others_may_go_on = false;
  {
    const std::lock_guard lock(mutex_);
    if (next_ != nullptr && next_ != party) return std::nullopt;
    found = find_free(count);
    if (!found) {
      next_ = party;
      return std::nullopt;
    }
    for (uint32_t i = 0; i < count; ++i) granules_[*found + i].used = true;
    granules_[*found].users = 1;
    granules_[*found].count = count;
    others_may_go_on = std::exchange(next_, nullptr) != nullptr;
  }
  if (others_may_go_on && on_room_) on_room_();
  return found;
}

void StagingArea::give_up(const void* party) {
  {
    const std::lock_guard lock(mutex_);
    if (next_ != party) return;
    next_ = nullptr;
  }
  if (on_room_) on_room_();
}

void StagingArea::add_user(uint32_t region) {
  const std::lock_guard lock(mutex_);
  QLOAD_ASSERT(granules_[region].users > 0);
  ++granules_[region].users;
}

void StagingArea::release(uint32_t region) {
  {
    const std::lock_guard lock(mutex_);
    Granule& first = granules_[region];
    QLOAD_ASSERT(first.users > 0);
    if (--first.users > 0) return;
    for (uint32_t i = 0; i < first.count; ++i) granules_[region + i].used = false;
    if (next_ == nullptr) return;
  }
  if (on_room_) on_room_();
}

}  // namespace qload
