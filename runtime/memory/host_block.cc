#include "runtime/memory/host_block.h"

#include <mimalloc.h>

#include <cstdlib>
#include <utility>

#include "format/base/checked.h"

// Weak: mimalloc serves these blocks in every program that links it, as this project's tools do,
// and a program that does not is not made to. Debian's mimalloc exists only as a shared library
// that replaces malloc in every process it is linked to, and a library must not do that to an
// engine behind its back (docs/design.md).
#pragma weak mi_malloc_aligned
#pragma weak mi_free

namespace qload {

namespace {

bool mimalloc_linked() { return mi_malloc_aligned != nullptr && mi_free != nullptr; }

void* allocate_aligned(size_t bytes, size_t alignment) {
  if (mimalloc_linked()) return mi_malloc_aligned(bytes, alignment);
  const auto rounded = checked_align_up(bytes, alignment);
  return rounded ? std::aligned_alloc(alignment, *rounded) : nullptr;
}

}  // namespace

HostBlock::~HostBlock() {
  if (mimalloc_linked()) {
    mi_free(data_);
  } else {
    std::free(data_);
  }
}

HostBlock::HostBlock(HostBlock&& other) noexcept { *this = std::move(other); }

HostBlock& HostBlock::operator=(HostBlock&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

HostBlock HostBlock::allocate(size_t bytes, size_t alignment) {
  HostBlock block;
  block.data_ = static_cast<std::byte*>(allocate_aligned(bytes == 0 ? 1 : bytes, alignment));
  block.bytes_ = block.data_ == nullptr ? 0 : bytes;
  return block;
}

}  // namespace qload
