#include "tools/qrun/direct_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "format/base/checked.h"
#include "format/base/format_text.h"

namespace qload::qrun {
namespace {

/// True when the file can be read with O_DIRECT: some file systems refuse at the first read only.
bool reads_directly(int descriptor) {
  alignas(kDirectAlignment) std::byte block[kDirectAlignment];
  return pread(descriptor, block, sizeof block, 0) >= 0;
}

}  // namespace

DirectFile::~DirectFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

DirectFile::DirectFile(DirectFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      direct_(other.direct_),
      name_(std::move(other.name_)) {}

DirectFile& DirectFile::operator=(DirectFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(direct_, other.direct_);
  std::swap(name_, other.name_);
  return *this;
}

Result<DirectFile> DirectFile::reopen(const File& file, bool buffered) {
  // The same file even when its name was given to another meanwhile.
  const std::string path = text("/proc/self/fd/", file.descriptor());
  DirectFile out;
  out.name_ = file.name();
  if (!buffered) out.descriptor_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
  out.direct_ = out.descriptor_ >= 0 && reads_directly(out.descriptor_);
  if (out.direct_) return out;
  if (out.descriptor_ >= 0) close(out.descriptor_);
  out.descriptor_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (out.descriptor_ < 0) return error_from_errno(text(quote(out.name_), ": open"), errno);
  return out;
}

Status DirectFile::read(uint64_t offset, std::span<std::byte> into, uint64_t bytes_wanted) const {
  uint64_t done = 0;
  while (done < bytes_wanted) {
    const ssize_t count = pread(descriptor_, into.data() + done, into.size() - done,
                                static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      return error_from_errno(text(quote(name_), ": reading at offset ", offset + done), errno);
    }
    if (count == 0) {
      return Error(ErrorCode::kCorrupt, text(quote(name_), " ends at offset ", offset + done,
                                             ": it was truncated while it was read"));
    }
    done += static_cast<uint64_t>(count);
    // A short read is resumed where O_DIRECT may begin.
    if (done < bytes_wanted) done = align_down(done, kDirectAlignment);
  }
  return Ok{};
}

}  // namespace qload::qrun
