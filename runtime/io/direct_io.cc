// O_DIRECT is asked for and then proved: a file system may grant the open and refuse the read.
#include "runtime/io/direct_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "format/base/checked.h"
#include "format/base/file.h"
#include "format/base/format_text.h"

namespace qload {
namespace {

/// The alignment assumed where the kernel names none: a page, a block of every file system that
/// has O_DIRECT, and a multiple of every drive's sector.
constexpr uint32_t kAlignmentAssumed = 4096;
/// A drive's smallest sector. What a kernel names below it (memory on 4 bytes) is raised to it.
constexpr uint32_t kDirectAlignmentMin = 512;
/// Beyond limits.h's kAlignmentMax no container is aligned.
constexpr uint32_t kDirectAlignmentMax = 64 * 1024;
/// Interrupted calls that are repeated before they count as failures.
constexpr int kRepeatsMax = 1000;

// struct statx as the kernel's ABI fixes it (Linux 6.1, include/uapi/linux/stat.h): glibc 2.36 and
// older headers do not name the two fields for direct I/O.
struct KernelStatx {
  uint32_t mask;
  uint32_t unused[37];
  uint32_t memory_alignment;  // stx_dio_mem_align
  uint32_t offset_alignment;  // stx_dio_offset_align
  uint64_t spare[12];
};
static_assert(offsetof(KernelStatx, memory_alignment) == 0x98 && sizeof(KernelStatx) == 256);
constexpr unsigned kStatxDirectAlignment = 0x2000;  // STATX_DIOALIGN

Error refused(std::string_view step, int error_number) {
  const Error reason = error_from_errno(text("direct I/O is refused by ", step), error_number);
  return Error(ErrorCode::kUnsupported, std::string(reason.message()));
}
Error refused_because(std::string_view reason) {
  return Error(ErrorCode::kUnsupported, text("direct I/O is refused: ", reason));
}

Result<uint32_t> alignment_of(int descriptor) {
  KernelStatx answer = {};
  const long status =
      syscall(SYS_statx, descriptor, "", AT_EMPTY_PATH, kStatxDirectAlignment, &answer);
  if (status != 0 || (answer.mask & kStatxDirectAlignment) == 0) return kAlignmentAssumed;
  const uint32_t named = std::max(answer.memory_alignment, answer.offset_alignment);
  if (named == 0 || answer.offset_alignment == 0) {
    return refused_because("statx says that this file has none");
  }
  if (!is_power_of_two(named) || named > kDirectAlignmentMax) {
    return refused_because(text("statx names an alignment of ", named,
                                ", expected a power of two up to ", kDirectAlignmentMax));
  }
  return std::max(named, kDirectAlignmentMin);
}

// Aligned by hand: some allocators that applications link (mimalloc 2.0.9 in Debian 12) answer
// aligned_alloc with blocks that are not, and the kernel would refuse the read for that.
Status read_first_block(int descriptor, uint32_t alignment) {
  std::vector<std::byte> memory(2 * size_t{alignment});
  const auto start = reinterpret_cast<uintptr_t>(memory.data());
  std::byte* block = memory.data() + (align_up(start, alignment) - start);
  ssize_t bytes = -1;
  for (int repeats = 0; repeats < kRepeatsMax; ++repeats) {
    bytes = pread(descriptor, block, alignment, 0);
    if (bytes >= 0 || (errno != EINTR && errno != EAGAIN)) break;
  }
  if (bytes < 0) return refused(text("a trial read of ", alignment, " bytes"), errno);
  if (bytes == 0) return refused_because("the file is empty");
  return Ok{};
}

// cachestat (Linux 6.5) looks without touching: a read that never waits starts read-ahead on a
// miss. Its number is the same on x86-64 and aarch64.
constexpr long kCachestatCall = 451;
struct CacheRange {
  uint64_t offset;
  uint64_t bytes;
};
struct CacheAnswer {
  uint64_t pages_cached;
  uint64_t other[4];
};

bool page_is_cached(int descriptor, uint64_t offset) {
#ifndef __ANDROID__  // Whose filter for applications kills on system calls it does not know.
  CacheRange range = {offset, 1};
  CacheAnswer answer = {};
  if (syscall(kCachestatCall, descriptor, &range, &answer, 0u) == 0) return answer.pages_cached > 0;
#endif
  char byte;
  const iovec into = {&byte, 1};
  for (int repeats = 0; repeats < kRepeatsMax; ++repeats) {
    const ssize_t bytes = preadv2(descriptor, &into, 1, static_cast<off_t>(offset), RWF_NOWAIT);
    if (bytes >= 0) return bytes == 1;
    if (errno != EINTR) break;
  }
  return false;
}

}  // namespace

DirectFile::~DirectFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

DirectFile::DirectFile(DirectFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), alignment_(other.alignment_) {}

DirectFile& DirectFile::operator=(DirectFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(alignment_, other.alignment_);
  return *this;
}

Result<DirectFile> DirectFile::open(int descriptor) {
  // O_DIRECT belongs to an open file, not to a descriptor: a duplicate would change the caller's.
  struct stat status = {};
  if (fstat(descriptor, &status) != 0) return refused("fstat", errno);
  if (!S_ISREG(status.st_mode)) return refused_because("not a regular file");
  DirectFile file;
  const std::string path = text("/proc/self/fd/", descriptor);
  for (int repeats = 0; repeats < kRepeatsMax && file.descriptor_ < 0; ++repeats) {
    file.descriptor_ = ::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (file.descriptor_ < 0 && errno != EINTR) break;
  }
  if (file.descriptor_ < 0) return refused("open", errno);
  auto alignment = alignment_of(file.descriptor_);
  if (!alignment.ok()) return std::move(alignment).error();
  file.alignment_ = alignment.value();
  auto tried = read_first_block(file.descriptor_, file.alignment_);
  if (!tried.ok()) return std::move(tried).error();
  return file;
}

bool file_is_cached(int descriptor, uint64_t offset, uint64_t bytes) {
  // 64 pages find a tenth of the file missing with a chance of 1 - 0.9^64 = 0.999, in under 0.1 ms.
  constexpr uint64_t kSampleCount = 64;
  if (bytes == 0) return false;
  const uint64_t last = bytes - 1;
  const uint64_t count = std::min<uint64_t>(kSampleCount, last + 1);
  for (uint64_t sample = 0; sample < count; ++sample) {
    // The first byte, the last, and evenly between: last * sample / (count - 1), without overflow.
    const uint64_t step = count > 1 ? last / (count - 1) : 0;
    const uint64_t at = sample + 1 == count ? last : step * sample;
    if (!page_is_cached(descriptor, offset + at)) return false;
  }
  return true;
}

}  // namespace qload
