// A memory hook that counts what it is asked for.
#pragma once

#include <cstdint>
#include <cstdlib>

#include "qload/options.h"

namespace qload::test {

// Counts what a hook is asked for.
struct CountingHook {
  uint64_t allocated = 0;
  uint64_t released = 0;
  bool refuse = false;
  size_t shift = 0;  // Returned pointers are this many bytes off.

  Allocator allocator(uint32_t flags = kCpuWritable) {
    Allocator hook;
    hook.allocate = [](void* context, size_t bytes, size_t alignment) -> void* {
      auto* self = static_cast<CountingHook*>(context);
      if (self->refuse) return nullptr;
      self->allocated += bytes;
      auto* block = static_cast<char*>(std::aligned_alloc(
          alignment, (bytes + self->shift + alignment - 1) / alignment * alignment));
      return block + self->shift;
    };
    hook.release = [](void* context, void* block, size_t bytes) {
      auto* self = static_cast<CountingHook*>(context);
      self->released += bytes;
      std::free(static_cast<char*>(block) - self->shift);
    };
    hook.context = this;
    hook.flags = flags;
    return hook;
  }
};

}  // namespace qload::test
