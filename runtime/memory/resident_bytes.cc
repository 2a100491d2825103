#include "runtime/memory/resident_bytes.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "format/base/checked.h"

namespace qload {

uint64_t resident_bytes(std::span<const std::byte> memory) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  // Pages that are whole within the memory: its neighbours' are not its own.
  const auto start = reinterpret_cast<uintptr_t>(memory.data());
  const uint64_t begin = align_up(start, page);
  const uint64_t end = align_down(start + memory.size(), page);
  std::array<unsigned char, 1024> states;
  uint64_t pages = 0;
  for (uint64_t at = begin; at < end;) {
    const uint64_t bytes = std::min<uint64_t>(end - at, states.size() * page);
    if (mincore(reinterpret_cast<void*>(at), bytes, states.data()) != 0) return 0;
    for (uint64_t i = 0; i < bytes / page; ++i) pages += states[i] & 1u;
    at += bytes;
  }
  return pages * page;
}

}  // namespace qload
