// What the packer asks of its input files besides their bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "format/input/model_source.h"
#include "qload/result.h"

namespace qload {

/// Notices when a source file is written to while it is packed.
class SourceWatch {
 public:
  /// Remembers size and time of change of every file, and tells the kernel that they are about
  /// to be read.
  explicit SourceWatch(const ModelSource& source);

  /// kCorrupt names the first file that is not as it was.
  Status check_unchanged() const;
  /// kInvalidArgument when `output` is one of the source files under whatever name.
  Status check_apart_from(const std::filesystem::path& output) const;

 private:
  struct Identity {
    uint64_t device = 0;
    uint64_t inode = 0;
    int64_t bytes = 0;
    int64_t changed_seconds = 0;
    int64_t changed_nanoseconds = 0;
    bool operator==(const Identity&) const = default;
  };
  static Identity identify(const File& file);

  const ModelSource& source_;
  std::vector<Identity> identities_;
};

/// True when `path` names the file behind `file`.
bool is_same_file(const File& file, const std::filesystem::path& path);

/// Asks the kernel to start reading a part of `file`, so that a cold read later finds it cached.
void advise_will_read(const File& file, uint64_t offset, uint64_t bytes);

}  // namespace qload
