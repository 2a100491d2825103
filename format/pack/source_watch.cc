#include "format/pack/source_watch.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "format/base/format_text.h"

namespace qload {

SourceWatch::SourceWatch(const ModelSource& source) : source_(source) {
  identities_.reserve(source.files().size());
  for (uint32_t i = 0; i < source.files().size(); ++i) {
    const File& file = source.handle(i);
    identities_.push_back(identify(file));
    // Advice may be refused; nothing but speed depends on it.
    static_cast<void>(posix_fadvise(file.descriptor(), 0, 0, POSIX_FADV_SEQUENTIAL));
  }
}

SourceWatch::Identity SourceWatch::identify(const File& file) {
  struct stat status;
  if (fstat(file.descriptor(), &status) != 0) return {};
  return {status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec,
          status.st_mtim.tv_nsec};
}

Status SourceWatch::check_unchanged() const {
  for (uint32_t i = 0; i < identities_.size(); ++i) {
    if (identify(source_.handle(i)) == identities_[i]) continue;
    return Error(ErrorCode::kCorrupt,
                 text(quote(source_.handle(i).name()), " was changed while it was packed"));
  }
  return Ok{};
}

Status SourceWatch::check_apart_from(const std::filesystem::path& output) const {
  for (uint32_t i = 0; i < identities_.size(); ++i) {
    if (!is_same_file(source_.handle(i), output)) continue;
    return Error(ErrorCode::kInvalidArgument,
                 text("output ", quote(output.string()), " is the source file ",
                      quote(source_.handle(i).name()), " itself; expected another file"));
  }
  return Ok{};
}

bool is_same_file(const File& file, const std::filesystem::path& path) {
  struct stat of_file;
  struct stat of_path;
  return fstat(file.descriptor(), &of_file) == 0 && stat(path.c_str(), &of_path) == 0 &&
         of_file.st_dev == of_path.st_dev && of_file.st_ino == of_path.st_ino;
}

void advise_will_read(const File& file, uint64_t offset, uint64_t bytes) {
  static_cast<void>(posix_fadvise(file.descriptor(),
                                  static_cast<off_t>(file.base_offset() + offset),
                                  static_cast<off_t>(bytes), POSIX_FADV_WILLNEED));
}

}  // namespace qload
