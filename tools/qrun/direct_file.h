// DirectFile: reads of a file around the page cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "format/base/file.h"
#include "qload/result.h"

namespace qload::qrun {

/// What O_DIRECT asks of offset, size and address, on every device known.
inline constexpr uint64_t kDirectAlignment = 4096;

/// A file open a second time, with O_DIRECT where the file system grants it. Move-only. Any thread
/// may read.
class DirectFile {
 public:
  ~DirectFile();
  DirectFile(DirectFile&& other) noexcept;
  DirectFile& operator=(DirectFile&& other) noexcept;

  /// Opens what `file` has open; `buffered` does without O_DIRECT.
  static Result<DirectFile> reopen(const File& file, bool buffered);

  /// Fills `into` from `offset`, up to the end of the file, which must not come before
  /// `bytes_wanted` bytes: kCorrupt then. REQUIRES: offset, size and address on kDirectAlignment.
  Status read(uint64_t offset, std::span<std::byte> into, uint64_t bytes_wanted) const;

  bool direct() const { return direct_; }

 private:
  DirectFile() = default;
  int descriptor_ = -1;
  bool direct_ = false;
  std::string name_;
};

}  // namespace qload::qrun
