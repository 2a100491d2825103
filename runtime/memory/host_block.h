// Host memory of the library itself: staging, and destinations too small for a mapping.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace qload {

/// An aligned block, from mimalloc where the program links it, else from the C library. Move-only.
class HostBlock {
 public:
  HostBlock() = default;
  ~HostBlock();
  HostBlock(HostBlock&& other) noexcept;
  HostBlock& operator=(HostBlock&& other) noexcept;

  /// A block without memory when there is none. `alignment` is a power of two.
  static HostBlock allocate(size_t bytes, size_t alignment);

  std::byte* data() const { return data_; }  ///< Null when allocation failed.
  size_t bytes() const { return bytes_; }

 private:
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace qload
