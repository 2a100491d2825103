#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "format/base/file.h"
#include "format/base/format_text.h"
#include "format/base/try.h"

namespace qload {

namespace fs = std::filesystem;

namespace {

// Permissions before the umask: what a shell's redirection would give.
constexpr mode_t kFileMode = 0666;

// How many temporary names are tried beside the target before giving up.
constexpr int kNameAttemptsMax = 100;

fs::path directory_of(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

fs::path temporary_name(const fs::path& path, int attempt) {
  return directory_of(path) /
         text(".", path.filename().string().substr(0, 200), ".tmp-", getpid(), "-", attempt);
}

Error exists_error(const fs::path& path) {
  return Error(ErrorCode::kInvalidArgument,
               text(quote(path.string()), " already exists; allow overwriting to replace it"));
}

}  // namespace

AtomicFile::~AtomicFile() { discard(); }

AtomicFile::AtomicFile(AtomicFile&& other) noexcept { *this = std::move(other); }

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(directory_, other.directory_);
  std::swap(overwrite_, other.overwrite_);
  std::swap(path_, other.path_);
  std::swap(temporary_path_, other.temporary_path_);
  return *this;
}

void AtomicFile::discard() {
  if (descriptor_ >= 0) close(descriptor_);
  if (directory_ >= 0) close(directory_);
  descriptor_ = -1;
  directory_ = -1;
  if (!temporary_path_.empty()) unlink(temporary_path_.c_str());
  temporary_path_.clear();
}

Result<AtomicFile> AtomicFile::create(const fs::path& path, const Options& options) {
  AtomicFile file;
  file.path_ = path;
  file.overwrite_ = options.overwrite;
  struct stat status;
  if (lstat(path.c_str(), &status) == 0) {
    if (!S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) {
      return Error(ErrorCode::kInvalidArgument,
                   text(quote(path.string()),
                        S_ISDIR(status.st_mode) ? " is a directory" : " is not a regular file",
                        ", expected the name of a file to write"));
    }
    if (!options.overwrite) return exists_error(path);
  }
  const fs::path directory = directory_of(path);
  // Opened before any work: what can be refused is refused now, not after the file has its name. A
  // directory that may be written and not read cannot be synced; its files can.
  file.directory_ = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file.directory_ < 0 && errno != EACCES) {
    return error_from_errno(text("cannot open directory ", quote(directory.string())), errno);
  }
  file.descriptor_ = open(directory.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, kFileMode);
  if (file.descriptor_ >= 0) return file;
  // EOPNOTSUPP, EISDIR and EINVAL: the file system or kernel has no O_TMPFILE.
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) {
    return error_from_errno(text("cannot create a file in ", quote(directory.string())), errno);
  }
  for (int attempt = 0; attempt < kNameAttemptsMax; ++attempt) {
    fs::path name = temporary_name(path, attempt);
    file.descriptor_ = open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kFileMode);
    if (file.descriptor_ >= 0) {
      file.temporary_path_ = std::move(name);
      return file;
    }
    if (errno != EEXIST) break;
  }
  return error_from_errno(text("cannot create a temporary file beside ", quote(path.string())),
                          errno);
}

// The limit is asked for first: the kernel would send SIGXFSZ, which ends most processes.
Status AtomicFile::reserve(uint64_t bytes) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      bytes > limit.rlim_cur) {
    return Error(ErrorCode::kNoSpace, text(quote(path_.string()), " needs ", bytes,
                                           " bytes, and the process may write files of ",
                                           limit.rlim_cur, " (RLIMIT_FSIZE, ulimit -f)"));
  }
  int result;
  do {
    result = fallocate(descriptor_, 0, 0, static_cast<off_t>(bytes));
  } while (result != 0 && errno == EINTR);
  if (result != 0 && errno == EOPNOTSUPP)
    result = ftruncate(descriptor_, static_cast<off_t>(bytes));
  if (result == 0) return Ok{};
  return error_from_errno(text("cannot take ", bytes, " bytes for ", quote(path_.string())), errno);
}

Status AtomicFile::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const size_t wanted = std::min<size_t>(bytes.size() - done, 1u << 30);
    const ssize_t count =
        pwrite(descriptor_, bytes.data() + done, wanted, static_cast<off_t>(offset + done));
    if (count > 0) {
      // Writeback starts now, beside the work that makes the next bytes, not all at once in the
      // fsync of commit(). Advice only.
      sync_file_range(descriptor_, static_cast<off64_t>(offset + done), count,
                      SYNC_FILE_RANGE_WRITE);
      done += static_cast<size_t>(count);
    } else if (count == 0 || errno != EINTR) {
      return error_from_errno(
          text("cannot write ", quote(path_.string()), " at offset ", offset + done),
          count == 0 ? EIO : errno);
    }
  }
  return Ok{};
}

Status AtomicFile::sync() {
  if (fdatasync(descriptor_) == 0) return Ok{};
  return error_from_errno(text("cannot sync ", quote(path_.string())), errno);
}

Status AtomicFile::commit() {
  if (fsync(descriptor_) != 0) {
    return error_from_errno(text("cannot sync ", quote(path_.string())), errno);
  }
  // A nameless file is linked to the final name at once where nothing stands there; else, and to
  // replace a file, it takes a temporary name first: rename replaces, link does not.
  if (temporary_path_.empty()) {
    const std::string self = text("/proc/self/fd/", descriptor_);
    if (!overwrite_) {
      if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, path_.c_str(), AT_SYMLINK_FOLLOW) != 0) {
        if (errno == EEXIST) return exists_error(path_);
        return error_from_errno(text("cannot create ", quote(path_.string())), errno);
      }
      return finish_name();
    }
    for (int attempt = 0; temporary_path_.empty(); ++attempt) {
      fs::path name = temporary_name(path_, attempt);
      if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) {
        temporary_path_ = std::move(name);
      } else if (errno != EEXIST || attempt >= kNameAttemptsMax) {
        return error_from_errno(text("cannot name ", quote(path_.string())), errno);
      }
    }
  }
  // Without overwriting, renameat2 refuses a name that appeared meanwhile.
  int result = renameat2(AT_FDCWD, temporary_path_.c_str(), AT_FDCWD, path_.c_str(),
                         overwrite_ ? 0u : static_cast<unsigned>(RENAME_NOREPLACE));
  if (result != 0 && errno == EINVAL && !overwrite_) {
    // The file system has no RENAME_NOREPLACE: link refuses an existing name as well.
    result = link(temporary_path_.c_str(), path_.c_str());
    if (result == 0) unlink(temporary_path_.c_str());
  }
  if (result != 0) {
    if (errno == EEXIST) return exists_error(path_);
    return error_from_errno(text("cannot rename to ", quote(path_.string())), errno);
  }
  temporary_path_.clear();
  return finish_name();
}

// Makes the name durable. Some file systems cannot sync a directory and say EINVAL; the data
// itself is safe.
Status AtomicFile::finish_name() {
  const bool failed = directory_ >= 0 && fsync(directory_) != 0 && errno != EINVAL;
  const int error_number = errno;
  discard();
  if (!failed) return Ok{};
  return error_from_errno(text(quote(path_.string()),
                               " is written, but its directory cannot be "
                               "synced"),
                          error_number);
}

}  // namespace qload
