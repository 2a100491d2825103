// mimalloc serves the tools' operator new. The only file of the tools that knows the library; left
// out of sanitizer builds, which bring an operator new of their own. Written out, because Debian's
// mimalloc is compiled as C: its mi_new aborts where memory runs out instead of throwing.
#include <mimalloc.h>

#include <new>

namespace {

void* or_throw(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t bytes) { return or_throw(mi_malloc(bytes)); }
void* operator new[](std::size_t bytes) { return or_throw(mi_malloc(bytes)); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return mi_malloc(bytes); }
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept { return mi_malloc(bytes); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  return or_throw(mi_malloc_aligned(bytes, static_cast<std::size_t>(alignment)));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return or_throw(mi_malloc_aligned(bytes, static_cast<std::size_t>(alignment)));
}
void operator delete(void* memory) noexcept { mi_free(memory); }
void operator delete[](void* memory) noexcept { mi_free(memory); }
void operator delete(void* memory, std::size_t) noexcept { mi_free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { mi_free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { mi_free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { mi_free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { mi_free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { mi_free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { mi_free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { mi_free(memory); }
