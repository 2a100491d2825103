#include "runtime/memory/destination_block.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "format/base/assert.h"
#include "format/base/checked.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload {

namespace {

// Huge pages on x86-64 and on aarch64 with 4 KiB base pages.
constexpr uint64_t kHugePageBytes = 2u << 20;

// Below this a mapping costs more than it gives: two system calls, page rounding, huge-page slack.
constexpr uint64_t kMappingBytesMin = 1u << 20;

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

Error out_of_memory(uint64_t bytes, std::string_view whence) {
  return Error(ErrorCode::kOutOfMemory,
               text("cannot get ", bytes, " bytes for decoded tensors from ", whence));
}

}  // namespace

DestinationBlock::~DestinationBlock() {
  if (hook_.release != nullptr && data_ != nullptr) hook_.release(hook_.context, data_, bytes_);
  if (mapped_bytes_ != 0) munmap(data_, mapped_bytes_);
}

DestinationBlock::DestinationBlock(DestinationBlock&& other) noexcept { *this = std::move(other); }

DestinationBlock& DestinationBlock::operator=(DestinationBlock&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(mapped_bytes_, other.mapped_bytes_);
  std::swap(pinned_bytes_, other.pinned_bytes_);
  std::swap(direct_allowed_, other.direct_allowed_);
  std::swap(used_, other.used_);
  std::swap(huge_pages_, other.huge_pages_);
  std::swap(small_, other.small_);
  std::swap(hook_, other.hook_);
  return *this;
}

Result<DestinationBlock> DestinationBlock::allocate(uint64_t bytes, uint64_t alignment,
                                                    const Allocator& hook, Pinning pinning) {
  DestinationBlock block;
  if (hook.allocate != nullptr) {
    if ((hook.flags & kCpuWritable) == 0) {
      return Error(ErrorCode::kUnsupported,
                   "the allocator's memory is not CPU-writable, which decoding needs");
    }
    const bool pinned = (hook.flags & kPinned) != 0;
    if (pinning == Pinning::kRequired && !pinned) {
      return Error(ErrorCode::kOutOfMemory,
                   "pinning is required, but the allocator's memory is not marked as pinned, and "
                   "foreign memory is never locked by the library");
    }
    if (bytes == 0) return block;
    block.data_ = static_cast<std::byte*>(hook.allocate(hook.context, bytes, alignment));
    if (block.data_ == nullptr) return out_of_memory(bytes, "the allocator hook");
    block.bytes_ = bytes;
    block.hook_ = hook;
    block.direct_allowed_ = (hook.flags & kNoDirectIo) == 0;
    if (pinned) block.pinned_bytes_ = bytes;
    if (reinterpret_cast<uintptr_t>(block.data_) % alignment != 0) {
      return Error(ErrorCode::kInvalidArgument,
                   text("the allocator hook returned memory that is not aligned to ", alignment));
    }
    return block;
  }
  if (bytes < kMappingBytesMin && pinning != Pinning::kRequired) {
    block.small_ = HostBlock::allocate(bytes, alignment);
    if (block.small_.data() == nullptr) return out_of_memory(bytes, "the heap");
    block.data_ = block.small_.data();
    block.bytes_ = bytes;
    return block;
  }
  QLOAD_CHECK(block.map(bytes, alignment, pinning));
  return block;
}

Status DestinationBlock::map(uint64_t bytes, uint64_t alignment, Pinning pinning) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t block_alignment = std::max({alignment, page, kHugePageBytes});
  const auto rounded = checked_align_up(std::max<uint64_t>(bytes, 1), page);
  const auto with_slack = rounded ? checked_add(*rounded, block_alignment) : std::nullopt;
  if (!with_slack) return out_of_memory(bytes, "an address space of 64 bits");
  void* base = mmap(nullptr, *with_slack, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return out_of_memory(bytes, "the kernel (mmap)");
  // The slack around the aligned block goes back at once.
  const auto start = reinterpret_cast<uintptr_t>(base);
  const uintptr_t aligned = align_up(start, block_alignment);
  if (aligned > start) munmap(base, aligned - start);
  const uintptr_t end = start + *with_slack;
  const uintptr_t block_end = aligned + *rounded;
  if (end > block_end) munmap(reinterpret_cast<void*>(block_end), end - block_end);
  data_ = reinterpret_cast<std::byte*>(aligned);
  bytes_ = bytes;
  mapped_bytes_ = *rounded;
  if (pinning == Pinning::kNever) return Ok{};
  if (!lock() && pinning == Pinning::kRequired) {
    return error_from_errno(text("cannot lock ", bytes, " bytes (see RLIMIT_MEMLOCK, ulimit -l)"),
                            ENOMEM);
  }
  return Ok{};
}

// On fault: locking is one quick call, and fresh pages are still touched beside the reads.
bool DestinationBlock::lock() {
  if (mlock2(data_, mapped_bytes_, MLOCK_ONFAULT) != 0) return false;
  pinned_bytes_ = bytes_;
  return true;
}

bool DestinationBlock::prepare_reuse(uint64_t bytes, uint64_t alignment, Pinning pinning) {
  QLOAD_ASSERT(reusable());
  if (bytes > mapped_bytes_ || reinterpret_cast<uintptr_t>(data_) % alignment != 0) return false;
  const bool locked = pinned_bytes_ != 0;
  bytes_ = bytes;
  pinned_bytes_ = locked ? bytes : 0;
  if (pinning == Pinning::kNever) {
    if (locked) munlock(data_, mapped_bytes_);
    pinned_bytes_ = 0;
    return true;
  }
  return locked || lock() || pinning != Pinning::kRequired;
}

void DestinationBlock::mark_used(bool huge_pages) {
  if (mapped_bytes_ == 0) return;
  used_ = true;
  huge_pages_ = huge_pages;
}

}  // namespace qload
