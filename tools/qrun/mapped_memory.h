// MappedMemory: pages from the kernel, of a file or fresh.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "format/base/file.h"
#include "qload/result.h"

namespace qload::qrun {

/// Owns a mapping. Move-only.
class MappedMemory {
 public:
  MappedMemory() = default;
  ~MappedMemory();
  MappedMemory(MappedMemory&& other) noexcept;
  MappedMemory& operator=(MappedMemory&& other) noexcept;

  /// Zeroed memory on a page, in huge pages where the kernel has them. kOutOfMemory.
  static Result<MappedMemory> allocate(uint64_t bytes);
  /// All of `file`, read-only. REQUIRES: base_offset() 0.
  static Result<MappedMemory> map(const File& file);

  /// The bytes; those of a file must not be written.
  std::span<std::byte> bytes() const { return bytes_; }

 private:
  std::span<std::byte> bytes_;
};

}  // namespace qload::qrun
