#include "runtime/memory/staging_ring.h"

#include <sys/mman.h>

#include <algorithm>

#include "format/base/assert.h"
#include "format/base/checked.h"
#include "format/base/format_text.h"

namespace qload {

namespace {
// The most that O_DIRECT may ask of memory (see DirectFile).
constexpr uint64_t kBlockAlignment = 64u << 10;

// Staging lies in huge pages where the system has them: a drive takes a limited number of memory
// segments in one request, and a direct read of 1 MiB into 4 KiB pages is 256 of them. It runs at
// half the rate and two and a half times the processor time (docs/performance.md, "Reading").
constexpr uint64_t kHugePageBytes = 2u << 20;
}  // namespace

StagingRing::~StagingRing() {
  if (hook_.release != nullptr && memory_.data() != nullptr) {
    hook_.release(hook_.context, memory_.data(), memory_.size());
  }
}

Status StagingRing::allocate(uint64_t bytes, const Allocator& hook) {
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
  return Ok{};
}

Status StagingRing::cut(uint64_t slot_bytes, uint64_t alignment) {
  slot_bytes_ = align_up(std::max<uint64_t>(slot_bytes, 1), alignment);
  const uint64_t count = memory_.size() / slot_bytes_;
  if (count == 0) {
    return Error(ErrorCode::kBudgetTooSmall,
                 text("staging memory of ", memory_.size(), " bytes is smaller than one read of ",
                      slot_bytes_, " bytes that this model's largest chunk needs"));
  }
  const std::lock_guard lock(mutex_);
  users_.assign(count, 0);
  free_.resize(count);
  for (uint32_t i = 0; i < count; ++i) free_[i] = static_cast<uint32_t>(count - 1 - i);
  return Ok{};
}

std::optional<uint32_t> StagingRing::acquire() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) return std::nullopt;
  const uint32_t slot = free_.back();
  free_.pop_back();
  users_[slot] = 1;
  return slot;
}

void StagingRing::wait_for_free() {
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [this] { return !free_.empty(); });
}

void StagingRing::add_user(uint32_t slot) {
  const std::lock_guard lock(mutex_);
  QLOAD_ASSERT(users_[slot] > 0);
  ++users_[slot];
}

void StagingRing::release(uint32_t slot) {
  {
    const std::lock_guard lock(mutex_);
    QLOAD_ASSERT(users_[slot] > 0);
    if (--users_[slot] > 0) return;
    free_.push_back(slot);
  }
  freed_.notify_one();
}

}  // namespace qload
