#include "format/base/file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "format/base/checked.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload {

Error error_from_errno(std::string what, int error_number) {
  ErrorCode code = ErrorCode::kIo;
  switch (error_number) {
    case ENOENT:
      code = ErrorCode::kNotFound;
      break;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      code = ErrorCode::kNoSpace;
      break;
    case ENOMEM:
      code = ErrorCode::kOutOfMemory;
      break;
    default:
      break;
  }
  const char* name = strerrorname_np(error_number);
  const char* description = strerrordesc_np(error_number);
  return Error(code, text(what, ": ", description ? description : "unknown error", " (",
                          name ? name : "?", ")"));
}

File::~File() {
  if (descriptor_ >= 0) close(descriptor_);
}

File::File(File&& other) noexcept { *this = std::move(other); }

File& File::operator=(File&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(base_offset_, other.base_offset_);
  std::swap(bytes_, other.bytes_);
  std::swap(name_, other.name_);
  return *this;
}

Result<File> File::open(const std::filesystem::path& path) {
  File file;
  file.name_ = path.string();
  // Non-blocking, so that a FIFO does not hang the open; regular files do not care.
  file.descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file.descriptor_ < 0) return error_from_errno(text("cannot open ", quote(file.name_)), errno);
  struct stat status;
  if (fstat(file.descriptor_, &status) != 0) {
    return error_from_errno(text("cannot stat ", quote(file.name_)), errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return Error(ErrorCode::kInvalidArgument,
                 text(quote(file.name_),
                      S_ISDIR(status.st_mode) ? " is a directory" : " is not a regular file",
                      ", expected a regular file"));
  }
  file.bytes_ = static_cast<uint64_t>(status.st_size);
  return file;
}

Result<File> File::from_descriptor(int descriptor, uint64_t offset, uint64_t bytes,
                                   std::string name) {
  struct stat status;
  if (fstat(descriptor, &status) != 0) {
    return error_from_errno(text("cannot stat descriptor ", descriptor, " of ", quote(name)),
                            errno);
  }
  if (!S_ISREG(status.st_mode)) {
    return Error(ErrorCode::kInvalidArgument,
                 text(quote(name), " is not a regular file, expected a regular file"));
  }
  const auto file_bytes = static_cast<uint64_t>(status.st_size);
  if (!range_fits(offset, bytes, file_bytes)) {
    return Error(ErrorCode::kInvalidArgument,
                 text("range of ", bytes, " bytes at offset ", offset, " leaves the file ",
                      quote(name), " of ", file_bytes, " bytes"));
  }
  File file;
  file.name_ = std::move(name);
  file.descriptor_ = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (file.descriptor_ < 0) {
    return error_from_errno(text("cannot duplicate the descriptor of ", quote(file.name_)), errno);
  }
  file.base_offset_ = offset;
  file.bytes_ = bytes == 0 ? file_bytes - offset : bytes;
  return file;
}

Status File::read_at(uint64_t offset, std::span<std::byte> into) const {
  if (!range_fits(offset, into.size(), bytes_)) {
    return Error(ErrorCode::kCorrupt,
                 text(quote(name_), ": read of ", into.size(), " bytes at offset ", offset,
                      " leaves the file of ", bytes_, " bytes"));
  }
  size_t done = 0;
  while (done < into.size()) {
    const auto at = static_cast<off_t>(base_offset_ + offset + done);
    // One read moves at most 0x7ffff000 bytes (man 2 read); asking for 1 GiB keeps it simple.
    const size_t wanted = std::min<size_t>(into.size() - done, 1u << 30);
    const ssize_t count = pread(descriptor_, into.data() + done, wanted, at);
    if (count > 0) {
      done += static_cast<size_t>(count);
    } else if (count == 0) {
      return Error(ErrorCode::kCorrupt,
                   text(quote(name_), ": ends at offset ", offset + done, ", expected ", bytes_,
                        " bytes: it was truncated after it was opened"));
    } else if (errno != EINTR) {
      return error_from_errno(text("cannot read ", quote(name_), " at offset ", offset + done),
                              errno);
    }
  }
  return Ok{};
}

Result<std::vector<std::byte>> File::read_vector(uint64_t offset, uint64_t bytes) const {
  if (!range_fits(offset, bytes, bytes_)) {
    return Error(ErrorCode::kCorrupt, text(quote(name_), ": read of ", bytes, " bytes at offset ",
                                           offset, " leaves the file of ", bytes_, " bytes"));
  }
  std::vector<std::byte> into(bytes);
  QLOAD_CHECK(read_at(offset, into));
  return into;
}

}  // namespace qload
