// The one block that all tensors of a load are decoded into.
#pragma once

#include <cstddef>
#include <cstdint>

#include "qload/options.h"
#include "qload/result.h"
#include "runtime/memory/host_block.h"

namespace qload {

/// Memory for decoded tensors: from the caller's hook, or an anonymous mapping of our own (small
/// blocks: mimalloc). Move-only; gives back what it took.
class DestinationBlock {
 public:
  DestinationBlock() = default;
  ~DestinationBlock();
  DestinationBlock(DestinationBlock&& other) noexcept;
  DestinationBlock& operator=(DestinationBlock&& other) noexcept;

  /// kOutOfMemory when the hook or the kernel has none, or when `pinning` is kRequired and the
  /// lock limit does not allow it. `alignment` is a power of two, at least 64.
  static Result<DestinationBlock> allocate(uint64_t bytes, uint64_t alignment,
                                           const Allocator& hook, Pinning pinning);

  std::byte* data() const { return data_; }
  uint64_t bytes() const { return bytes_; }
  uint64_t pinned_bytes() const { return pinned_bytes_; }
  /// The kernel may read into it directly.
  bool direct_allowed() const { return direct_allowed_; }
  /// A mapping of our own: fresh pages, worth touching ahead of the data.
  bool fresh_mapping() const { return mapped_bytes_ != 0; }

 private:
  Status map(uint64_t bytes, uint64_t alignment, Pinning pinning);

  std::byte* data_ = nullptr;
  uint64_t bytes_ = 0;
  uint64_t mapped_bytes_ = 0;  // 0: not our mapping.
  uint64_t pinned_bytes_ = 0;
  bool direct_allowed_ = true;
  HostBlock small_;
  Allocator hook_ = {};
};

}  // namespace qload
