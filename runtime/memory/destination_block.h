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

  /// Makes a used mapping hold `bytes` for another load, locked or not as `pinning` asks. False
  /// when it cannot: it is too small, aligned to less, or must be locked and the limit does not
  /// allow it. REQUIRES: reusable().
  bool prepare_reuse(uint64_t bytes, uint64_t alignment, Pinning pinning);

  /// Every byte has been written: the next load need not touch it first. `huge_pages`: it was
  /// advised to lie in such.
  void mark_used(bool huge_pages);

  std::byte* data() const { return data_; }
  uint64_t bytes() const { return bytes_; }
  uint64_t pinned_bytes() const { return pinned_bytes_; }
  /// The kernel may read into it directly.
  bool direct_allowed() const { return direct_allowed_; }
  /// A mapping of our own: fresh pages, worth touching ahead of the data.
  bool fresh_mapping() const { return mapped_bytes_ != 0 && !used_; }
  /// A mapping of our own that a load has filled. A hook's memory never is.
  bool reusable() const { return mapped_bytes_ != 0 && used_; }
  /// Memory it occupies, at least bytes(); 0 for a hook's, which is the caller's.
  uint64_t own_bytes() const { return mapped_bytes_ != 0 ? mapped_bytes_ : small_.bytes(); }
  bool huge_pages() const { return huge_pages_; }

 private:
  Status map(uint64_t bytes, uint64_t alignment, Pinning pinning);
  bool lock();

  std::byte* data_ = nullptr;
  uint64_t bytes_ = 0;
  uint64_t mapped_bytes_ = 0;  // 0: not our mapping.
  uint64_t pinned_bytes_ = 0;
  bool direct_allowed_ = true;
  bool used_ = false;
  bool huge_pages_ = false;
  HostBlock small_;
  Allocator hook_ = {};
};

}  // namespace qload
