// A File whose bytes lie in memory (memfd): for tests and fuzzers of anything that reads files.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <span>
#include <string>

#include "format/base/file.h"

namespace qload::test {

/// Aborts when memory runs out. The target must link qload_base.
inline File memory_file(std::span<const std::byte> bytes, std::string name = "memory") {
  int descriptor = memfd_create("qload-test", MFD_CLOEXEC);
  if (descriptor < 0) abort();
  for (size_t done = 0; done < bytes.size();) {
    ssize_t count = write(descriptor, bytes.data() + done, bytes.size() - done);
    if (count <= 0) abort();
    done += static_cast<size_t>(count);
  }
  auto file = File::from_descriptor(descriptor, 0, 0, std::move(name));
  close(descriptor);
  if (!file.ok()) abort();
  return std::move(file).value();
}

}  // namespace qload::test
