// Destination memory that nobody has touched yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "qload/result.h"

namespace qload::bench {

/// An anonymous private mapping, zero-filled by the kernel on first touch. Each timed run takes a
/// new one, so that first touch is counted in. Move-only; unmaps on destruction.
class FreshMemory {
 public:
  FreshMemory() = default;
  ~FreshMemory();
  FreshMemory(FreshMemory&& other) noexcept;
  FreshMemory& operator=(FreshMemory&& other) noexcept;

  /// `bytes` bytes on a 2 MiB boundary; `huge_pages` advises transparent huge pages. 0 bytes is an
  /// empty block. kOutOfMemory.
  static Result<FreshMemory> allocate(uint64_t bytes, bool huge_pages);

  std::span<std::byte> bytes() const { return bytes_; }

 private:
  void* mapping_ = nullptr;
  size_t mapping_bytes_ = 0;
  std::span<std::byte> bytes_;
};

/// Makes the pages of `bytes` present and writable without changing what they hold, so that reads
/// into them may already be under way.
void populate_pages(std::span<std::byte> bytes);

/// Populates `bytes` front to back with `threads` threads, in pieces of 2 MiB.
void populate_parallel(std::span<std::byte> bytes, uint32_t threads);

/// True when the system gives transparent huge pages to memory that is advised to use them.
bool huge_pages_available();

}  // namespace qload::bench
