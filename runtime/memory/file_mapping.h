// FileMapping: a whole file as memory, read-only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "format/base/file.h"
#include "qload/result.h"

namespace qload {

/// The pages of a file. The kernel counts them as the file's, not as the process's own, and takes
/// them back when memory is short. The file may be closed, renamed or removed meanwhile; one that
/// is cut short makes reading what is gone a SIGBUS. Move-only; any thread may read it.
class FileMapping {
 public:
  FileMapping() = default;
  ~FileMapping();
  FileMapping(FileMapping&& other) noexcept;
  FileMapping& operator=(FileMapping&& other) noexcept;

  /// All of `file`. REQUIRES: it is not empty.
  static Result<FileMapping> map(const File& file);

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace qload
