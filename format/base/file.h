// Files: where errno becomes an Error. Reads and writes are whole or an error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "qload/result.h"

namespace qload {

/// An Error for errno value `error_number`: kNotFound for ENOENT, kNoSpace for ENOSPC, EDQUOT
/// and EFBIG, kOutOfMemory for ENOMEM, else kIo. "what: strerror (ENAME)".
Error error_from_errno(std::string what, int error_number);

/// A regular file (or a range of one) open for reading. Move-only; closes what it opened.
/// Any number of threads may call read_at.
class File {
 public:
  File() = default;
  ~File();
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;

  /// Opens `path` for buffered reading. Directories, pipes and devices are refused.
  static Result<File> open(const std::filesystem::path& path);

  /// The range [offset, offset + bytes) of `descriptor`, which is duplicated; the caller keeps
  /// its own. `bytes` 0 means to the end of the file. `name` is for messages.
  static Result<File> from_descriptor(int descriptor, uint64_t offset, uint64_t bytes,
                                      std::string name);

  /// Fills `into` from `offset` (of the range). Interrupted and short reads are resumed. A file
  /// that ends early is kCorrupt: it was truncated after it was opened.
  Status read_at(uint64_t offset, std::span<std::byte> into) const;
  Result<std::vector<std::byte>> read_vector(uint64_t offset, uint64_t bytes) const;

  uint64_t bytes() const { return bytes_; }              ///< Of the range.
  uint64_t base_offset() const { return base_offset_; }  ///< Where the range starts in the file.
  int descriptor() const { return descriptor_; }         ///< Borrowed.
  const std::string& name() const { return name_; }      ///< For messages.

 private:
  int descriptor_ = -1;
  uint64_t base_offset_ = 0;
  uint64_t bytes_ = 0;
  std::string name_;
};

/// A file that appears under its final name only when it is whole: written without a name
/// (O_TMPFILE) or under a temporary one beside the target, synced, then renamed. Destroying it
/// before commit() leaves nothing behind. One thread at a time.
class AtomicFile {
 public:
  ~AtomicFile();
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;

  struct Options {
    /// Replace an existing file or symbolic link; else kInvalidArgument names it. Directories,
    /// devices, pipes and sockets are never replaced.
    bool overwrite = false;
  };
  static Result<AtomicFile> create(const std::filesystem::path& path, const Options& options);

  /// Makes the file `bytes` bytes long, zero where nothing is written, and takes the room for them
  /// where the file system can: kNoSpace now, and not in the middle of the work.
  Status reserve(uint64_t bytes);
  Status write_at(uint64_t offset, std::span<const std::byte> bytes);
  /// What has been written is on storage before anything that is written later.
  Status sync();
  /// Syncs the data, gives the file its name, syncs the directory. Call once, last.
  Status commit();

  int descriptor() const { return descriptor_; }

 private:
  AtomicFile() = default;
  Status finish_name();
  void discard();

  int descriptor_ = -1;
  int directory_ = -1;  // To sync the name; -1 where the directory may not be read.
  bool overwrite_ = false;
  std::filesystem::path path_;
  std::filesystem::path temporary_path_;  // Empty while the file has no name.
};

}  // namespace qload
