#include "bench/load/fresh_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <string>
#include <utility>

#include "bench/load/parallel.h"
#include "format/base/checked.h"
#include "format/base/file.h"
#include "format/base/format_text.h"

namespace qload::bench {
namespace {

// The size of a transparent huge page on x86-64, and on aarch64 with 4 KiB pages.
constexpr uint64_t kHugePageBytes = 2ull << 20;

}  // namespace

FreshMemory::~FreshMemory() {
  if (mapping_ != nullptr) munmap(mapping_, mapping_bytes_);
}

FreshMemory::FreshMemory(FreshMemory&& other) noexcept
    : mapping_(std::exchange(other.mapping_, nullptr)),
      mapping_bytes_(std::exchange(other.mapping_bytes_, 0)),
      bytes_(std::exchange(other.bytes_, {})) {}

FreshMemory& FreshMemory::operator=(FreshMemory&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapping_bytes_, other.mapping_bytes_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Result<FreshMemory> FreshMemory::allocate(uint64_t bytes, bool huge_pages) {
  FreshMemory memory;
  if (bytes == 0) return memory;
  const auto mapping_bytes = checked_add(bytes, kHugePageBytes);
  if (!mapping_bytes) return Error(ErrorCode::kOutOfMemory, text("cannot map ", bytes, " bytes"));
  void* mapping = mmap(nullptr, *mapping_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) return error_from_errno(text("mmap of ", bytes, " bytes"), errno);
  memory.mapping_ = mapping;
  memory.mapping_bytes_ = *mapping_bytes;
  const auto address = reinterpret_cast<uintptr_t>(mapping);
  auto* start = static_cast<std::byte*>(mapping) + (align_up(address, kHugePageBytes) - address);
  memory.bytes_ = std::span(start, bytes);
  // A refusal leaves ordinary pages, which is what the option's absence means.
  madvise(start, bytes, huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  return memory;
}

void populate_pages(std::span<std::byte> bytes) {
  if (bytes.empty()) return;
  static const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<uintptr_t>(bytes.data());
  const uint64_t begin = align_down(address, page_bytes);
  const uint64_t end = align_up(address + bytes.size(), page_bytes);
#ifdef MADV_POPULATE_WRITE
  if (madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_WRITE) == 0) return;
#endif
  // Before Linux 5.14. Adding zero writes the page and keeps its byte, atomically against the
  // reads in flight.
  for (uint64_t page = std::max<uint64_t>(begin, address); page < address + bytes.size();
       page = align_down(page, page_bytes) + page_bytes) {
    __atomic_fetch_add(reinterpret_cast<uint8_t*>(page), 0, __ATOMIC_RELAXED);
  }
}

void populate_parallel(std::span<std::byte> bytes, uint32_t threads) {
  std::atomic<uint64_t> next{0};
  (void)run_parallel(threads, [&](uint32_t) -> Status {
    for (;;) {
      const uint64_t offset = next.fetch_add(kHugePageBytes);
      if (offset >= bytes.size()) return Ok{};
      populate_pages(bytes.subspan(offset, std::min(kHugePageBytes, bytes.size() - offset)));
    }
  });
}

bool huge_pages_available() {
  std::ifstream mode("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string line;
  std::getline(mode, line);
  return line.find("[madvise]") != std::string::npos || line.find("[always]") != std::string::npos;
}

}  // namespace qload::bench
