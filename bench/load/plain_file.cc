#include "bench/load/plain_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "format/base/file.h"
#include "format/base/format_text.h"

namespace qload::bench {

PlainFile::~PlainFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

PlainFile::PlainFile(PlainFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), bytes_(other.bytes_) {}

PlainFile& PlainFile::operator=(PlainFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Result<PlainFile> PlainFile::open(const std::filesystem::path& path) {
  PlainFile file;
  file.descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file.descriptor_ < 0) return error_from_errno(text("open ", path.string()), errno);
  struct stat facts;
  if (fstat(file.descriptor_, &facts) != 0) {
    return error_from_errno(text("fstat ", path.string()), errno);
  }
  file.bytes_ = static_cast<uint64_t>(facts.st_size);
  return file;
}

void PlainFile::advise_sequential() const {
  posix_fadvise(descriptor_, 0, 0, POSIX_FADV_SEQUENTIAL);
}

Status PlainFile::read_at(uint64_t offset, std::span<std::byte> into, uint64_t call_bytes) const {
  while (!into.empty()) {
    const size_t wanted = std::min<uint64_t>(into.size(), call_bytes);
    const ssize_t got = pread(descriptor_, into.data(), wanted, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return error_from_errno(text("read at offset ", offset), errno);
    if (got == 0) return Error(ErrorCode::kCorrupt, text("the file ends at offset ", offset));
    into = into.subspan(static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
  }
  return Ok{};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

Result<MappedFile> MappedFile::map(const std::filesystem::path& path, int flags) {
  auto file = PlainFile::open(path);
  if (!file) return std::move(file).error();
  MappedFile mapped;
  if (file->bytes() == 0) return mapped;
  void* address =
      mmap(nullptr, file->bytes(), PROT_READ, MAP_PRIVATE | flags, file->descriptor(), 0);
  if (address == MAP_FAILED) return error_from_errno(text("mmap ", path.string()), errno);
  mapped.bytes_ = std::span(static_cast<const std::byte*>(address), file->bytes());
  return mapped;
}

void MappedFile::advise(int advice) const {
  if (!bytes_.empty()) madvise(const_cast<std::byte*>(bytes_.data()), bytes_.size(), advice);
}

}  // namespace qload::bench
