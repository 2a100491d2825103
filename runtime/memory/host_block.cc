#include "runtime/memory/host_block.h"

#include <mimalloc.h>

#include <utility>

namespace qload {

HostBlock::~HostBlock() { mi_free(data_); }

HostBlock::HostBlock(HostBlock&& other) noexcept { *this = std::move(other); }

HostBlock& HostBlock::operator=(HostBlock&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

HostBlock HostBlock::allocate(size_t bytes, size_t alignment) {
  HostBlock block;
  block.data_ = static_cast<std::byte*>(mi_malloc_aligned(bytes == 0 ? 1 : bytes, alignment));
  block.bytes_ = block.data_ == nullptr ? 0 : bytes;
  return block;
}

}  // namespace qload
