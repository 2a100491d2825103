#include "tools/qrun/mapped_memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <utility>

#include "format/base/format_text.h"

namespace qload::qrun {

MappedMemory::~MappedMemory() {
  if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
}

MappedMemory::MappedMemory(MappedMemory&& other) noexcept
    : bytes_(std::exchange(other.bytes_, {})) {}

MappedMemory& MappedMemory::operator=(MappedMemory&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

Result<MappedMemory> MappedMemory::allocate(uint64_t bytes) {
  MappedMemory memory;
  if (bytes == 0) return memory;
  void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return error_from_errno(text("mapping ", bytes, " bytes"), errno);
  madvise(pages, bytes, MADV_HUGEPAGE);  // Fewer page faults; refusal changes nothing.
  memory.bytes_ = {static_cast<std::byte*>(pages), bytes};
  return memory;
}

Result<MappedMemory> MappedMemory::map(const File& file) {
  MappedMemory memory;
  if (file.bytes() == 0) return memory;
  void* pages = mmap(nullptr, file.bytes(), PROT_READ, MAP_SHARED, file.descriptor(), 0);
  if (pages == MAP_FAILED) return error_from_errno(text(quote(file.name()), ": mmap"), errno);
  memory.bytes_ = {static_cast<std::byte*>(pages), file.bytes()};
  return memory;
}

}  // namespace qload::qrun
