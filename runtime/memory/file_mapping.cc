#include "runtime/memory/file_mapping.h"

#include <sys/mman.h>

#include <cerrno>
#include <utility>

#include "format/base/assert.h"
#include "format/base/format_text.h"

namespace qload {

FileMapping::~FileMapping() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

FileMapping::FileMapping(FileMapping&& other) noexcept { *this = std::move(other); }

FileMapping& FileMapping::operator=(FileMapping&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

Result<FileMapping> FileMapping::map(const File& file) {
  QLOAD_ASSERT(file.bytes() > 0 && file.base_offset() == 0);
  void* const data = mmap(nullptr, file.bytes(), PROT_READ, MAP_SHARED, file.descriptor(), 0);
  if (data == MAP_FAILED) {
    return error_from_errno(text("cannot map ", file.bytes(), " bytes of ", quote(file.name())),
                            errno);
  }
  FileMapping mapping;
  mapping.bytes_ = {static_cast<const std::byte*>(data), file.bytes()};
  return mapping;
}

}  // namespace qload
