// A file opened for a contender. Raw descriptors: the contenders measure system calls.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "qload/result.h"

namespace qload::bench {

/// A descriptor that closes itself. Move-only.
class PlainFile {
 public:
  PlainFile() = default;
  ~PlainFile();
  PlainFile(PlainFile&& other) noexcept;
  PlainFile& operator=(PlainFile&& other) noexcept;

  static Result<PlainFile> open(const std::filesystem::path& path);

  int descriptor() const { return descriptor_; }
  uint64_t bytes() const { return bytes_; }
  /// Asks for the larger read-ahead window of sequential readers.
  void advise_sequential() const;
  /// Fills `into` from `offset` by pread() calls of at most `call_bytes`.
  Status read_at(uint64_t offset, std::span<std::byte> into, uint64_t call_bytes) const;

 private:
  int descriptor_ = -1;
  uint64_t bytes_ = 0;
};

/// A read-only mapping of a whole file. Move-only.
class MappedFile {
 public:
  MappedFile() = default;
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  /// `flags` are added to MAP_PRIVATE.
  static Result<MappedFile> map(const std::filesystem::path& path, int flags = 0);

  std::span<const std::byte> bytes() const { return bytes_; }
  void advise(int advice) const;

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace qload::bench
