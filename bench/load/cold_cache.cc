#include "bench/load/cold_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "bench/load/plain_file.h"
#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload::bench {
namespace {

// Pages on a processor's pending list survive the first call; the second finds them.
constexpr int kDropAttemptsMax = 4;

Status write_drop_caches() {
  sync();
  const int descriptor = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) return error_from_errno("open /proc/sys/vm/drop_caches", errno);
  const ssize_t written = write(descriptor, "3\n", 2);
  const int error_number = errno;
  close(descriptor);
  if (written != 2) return error_from_errno("write /proc/sys/vm/drop_caches", error_number);
  return Ok{};
}

Result<uint64_t> count_cached_pages(const MappedFile& mapped, uint64_t page_bytes) {
  const std::span<const std::byte> bytes = mapped.bytes();
  std::vector<unsigned char> present((bytes.size() + page_bytes - 1) / page_bytes);
  if (mincore(const_cast<std::byte*>(bytes.data()), bytes.size(), present.data()) != 0) {
    return error_from_errno("mincore", errno);
  }
  return static_cast<uint64_t>(
      std::count_if(present.begin(), present.end(), [](unsigned char p) { return p & 1; }));
}

}  // namespace

Status drop_cached(std::span<const std::filesystem::path> files, ColdMethod method) {
  for (int attempt = 0; attempt < kDropAttemptsMax; ++attempt) {
    for (const std::filesystem::path& path : files) {
      QLOAD_TRY(const PlainFile file, PlainFile::open(path));
      fdatasync(file.descriptor());  // Dirty pages cannot be dropped.
      const int refusal = posix_fadvise(file.descriptor(), 0, 0, POSIX_FADV_DONTNEED);
      if (refusal != 0) return error_from_errno(text("posix_fadvise ", path.string()), refusal);
    }
    if (method == ColdMethod::kDropCaches) QLOAD_CHECK(write_drop_caches());
    QLOAD_TRY(const double share, cached_share(files));
    if (share == 0) break;
  }
  return Ok{};
}

Status fill_cache(std::span<const std::filesystem::path> files) {
  std::vector<std::byte> buffer(1u << 20);
  for (const std::filesystem::path& path : files) {
    QLOAD_TRY(const double share, cached_share(std::span(&path, 1)));
    if (share == 1) continue;
    QLOAD_TRY(const PlainFile file, PlainFile::open(path));
    for (uint64_t offset = 0; offset < file.bytes(); offset += buffer.size()) {
      const uint64_t bytes = std::min<uint64_t>(buffer.size(), file.bytes() - offset);
      QLOAD_CHECK(file.read_at(offset, std::span(buffer).first(bytes), bytes));
    }
  }
  return Ok{};
}

Result<double> cached_share(std::span<const std::filesystem::path> files) {
  const auto page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t pages = 0;
  uint64_t cached = 0;
  for (const std::filesystem::path& path : files) {
    QLOAD_TRY(const MappedFile mapped, MappedFile::map(path));
    if (mapped.bytes().empty()) continue;
    QLOAD_TRY(const uint64_t count, count_cached_pages(mapped, page_bytes));
    cached += count;
    pages += (mapped.bytes().size() + page_bytes - 1) / page_bytes;
  }
  return pages == 0 ? 0.0 : static_cast<double>(cached) / static_cast<double>(pages);
}

}  // namespace qload::bench
