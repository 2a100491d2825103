#include "runtime/memory/destination_pool.h"

#include <utility>

#include "runtime/memory/resident_bytes.h"

namespace qload {

DestinationBlock DestinationPool::remove(size_t position) noexcept {
  DestinationBlock block = std::move(blocks_[position]);
  --count_;
  for (size_t i = position; i < count_; ++i) std::swap(blocks_[i], blocks_[i + 1]);
  kept_bytes_ -= block.own_bytes();
  return block;
}

std::optional<DestinationBlock> DestinationPool::take(const Request& request) {
  if (request.source == internal::BlockSource::kFresh) return std::nullopt;
  std::optional<DestinationBlock> found;
  {
    const std::lock_guard lock(mutex_);
    std::optional<size_t> best;
    for (size_t i = 0; i < count_; ++i) {
      const DestinationBlock& block = blocks_[i];
      const uint64_t bytes = block.own_bytes();
      if (bytes < request.bytes || bytes - request.bytes > request.bytes) continue;
      if (block.huge_pages() && request.huge_pages == HugePages::kNever) continue;
      if (!best || bytes < blocks_[*best].own_bytes()) best = i;
    }
    if (!best) return std::nullopt;
    found = remove(*best);
  }
  // Locking a large block takes a while: not under the mutex.
  if (found->prepare_reuse(request.bytes, request.alignment, request.pinning)) return found;
  give_back(std::move(*found));
  return std::nullopt;
}

// Freeing a large block takes milliseconds: what is dropped is freed after the mutex is released.
void DestinationPool::give_back(DestinationBlock block) noexcept {
  Blocks dropped;
  size_t dropped_count = 0;
  const uint64_t bytes = block.own_bytes();
  if (!block.reusable() || bytes > kept_bytes_max_) return;
  const std::lock_guard lock(mutex_);
  while (count_ == kBlockCountMax || kept_bytes_ > kept_bytes_max_ - bytes) {
    dropped[dropped_count++] = remove(0);
  }
  blocks_[count_++] = std::move(block);
  kept_bytes_ += bytes;
}

void DestinationPool::clear() noexcept {
  Blocks dropped;
  const std::lock_guard lock(mutex_);
  std::swap(dropped, blocks_);
  count_ = 0;
  kept_bytes_ = 0;
}

uint64_t DestinationPool::kept_bytes() const {
  const std::lock_guard lock(mutex_);
  return kept_bytes_;
}

void DestinationPool::lend(const DestinationBlock& block) {
  if (block.own_bytes() == 0) return;
  const std::lock_guard lock(mutex_);
  unfilled_.push_back({block.data(), block.bytes()});
  lent_bytes_ += block.own_bytes();
}

void DestinationPool::filled(const DestinationBlock& block) noexcept {
  const std::lock_guard lock(mutex_);
  std::erase_if(unfilled_, [&](const auto& bytes) { return bytes.data() == block.data(); });
}

void DestinationPool::end_loan(const DestinationBlock& block) noexcept {
  if (block.own_bytes() == 0) return;
  filled(block);
  const std::lock_guard lock(mutex_);
  lent_bytes_ -= block.own_bytes();
}

uint64_t DestinationPool::lent_bytes() const {
  const std::lock_guard lock(mutex_);
  return lent_bytes_;
}

uint64_t DestinationPool::unfilled_bytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t missing = 0;
  for (const auto& bytes : unfilled_) missing += bytes.size() - resident_bytes(bytes);
  return missing;
}

}  // namespace qload
