// The destination blocks of a Loader: those lent to its Weights, and those kept for later loads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "qload/options.h"
#include "runtime/memory/destination_block.h"

namespace qload {

namespace internal {
/// Where a load may take its block from.
enum class BlockSource : uint8_t {
  kAny,    ///< One that was kept, which may be twice what is asked for, or a fresh one.
  kFresh,  ///< For a hard budget.
};
}  // namespace internal

/// Keeps used mappings, so that the next load touches no fresh memory: their pages are there; and
/// counts what is lent, so that a limit holds for all loads together. A Loader owns the pool and
/// its Weights refer to it weakly: Weights that outlive the Loader give their memory to the system.
/// Any thread may call everything.
class DestinationPool {
 public:
  /// What a load asks of its block.
  struct Request {
    uint64_t bytes = 0;
    uint64_t alignment = 64;  ///< A power of two.
    Pinning pinning = Pinning::kAuto;
    HugePages huge_pages = HugePages::kAuto;
    internal::BlockSource source = internal::BlockSource::kAny;
  };

  /// Keeps blocks of up to `kept_bytes_max` together; 0 keeps none.
  explicit DestinationPool(uint64_t kept_bytes_max) : kept_bytes_max_(kept_bytes_max) {}
  DestinationPool(const DestinationPool&) = delete;
  DestinationPool& operator=(const DestinationPool&) = delete;

  /// The smallest kept block that holds the request and is at most twice as large, so that a small
  /// model does not take a large one's place; or nothing. The block keeps its pages' size, which is
  /// why one in huge pages is not for a load that wants none, and is locked or not as asked.
  std::optional<DestinationBlock> take(const Request& request);

  /// Keeps `block` if it is reusable and not too large for the pool, in place of the blocks that
  /// came first where room is short; else frees it. Never fails.
  void give_back(DestinationBlock block) noexcept;

  /// Frees all that is kept.
  void clear() noexcept;

  uint64_t kept_bytes() const;

  /// Counts `block` as lent until end_loan(), and as unfilled until filled() or that. A hook's
  /// memory and a block without any count as nothing. May throw std::bad_alloc.
  void lend(const DestinationBlock& block);
  void filled(const DestinationBlock& block) noexcept;
  void end_loan(const DestinationBlock& block) noexcept;
  uint64_t lent_bytes() const;
  /// What unfilled blocks have no pages for yet: the kernel does not count it, and will.
  uint64_t unfilled_bytes() const;

 private:
  // A program keeps few models apart; the oldest makes room for a seventeenth.
  static constexpr size_t kBlockCountMax = 16;
  using Blocks = std::array<DestinationBlock, kBlockCountMax>;

  DestinationBlock remove(size_t position) noexcept;

  const uint64_t kept_bytes_max_;
  mutable std::mutex mutex_;
  Blocks blocks_;  // The first count_, oldest first. Guarded by mutex_, like all below.
  size_t count_ = 0;
  uint64_t kept_bytes_ = 0;
  uint64_t lent_bytes_ = 0;
  std::vector<std::span<const std::byte>> unfilled_;
};

}  // namespace qload
