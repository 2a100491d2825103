// Working memory that grows to the largest size asked for and is never cleared.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace qload {

/// One thread at a time. Owns its memory.
class Scratch {
 public:
  /// `bytes` bytes of undefined content, valid until the next call.
  std::span<std::byte> take(size_t bytes) {
    if (bytes_ < bytes) {
      memory_.reset();  // First: old and new memory never exist together.
      bytes_ = 0;
      memory_ = std::make_unique_for_overwrite<std::byte[]>(bytes);
      bytes_ = bytes;
    }
    return {memory_.get(), bytes};
  }

 private:
  std::unique_ptr<std::byte[]> memory_;
  size_t bytes_ = 0;
};

}  // namespace qload
