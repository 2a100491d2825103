#include "format/base/around_cache.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "format/base/assert.h"

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

namespace qload {

#if defined(__x86_64__)

void copy_around_cache(std::span<std::byte> destination, std::span<const std::byte> source) {
  QLOAD_ASSERT(destination.size() >= source.size());
  constexpr size_t kLineBytes = 64;
  std::byte* to = destination.data();
  const std::byte* from = source.data();
  size_t left = source.size();
  // Whole lines only: a line of which a part is stored around the cache is written twice.
  const size_t misplaced = (kLineBytes - reinterpret_cast<uintptr_t>(to) % kLineBytes) % kLineBytes;
  const size_t head = std::min(left, misplaced);
  if (head > 0) std::memcpy(to, from, head);
  to += head;
  from += head;
  left -= head;
  for (; left >= kLineBytes; left -= kLineBytes) {
    const auto* words = reinterpret_cast<const __m128i*>(from);
    const __m128i a = _mm_loadu_si128(words);
    const __m128i b = _mm_loadu_si128(words + 1);
    const __m128i c = _mm_loadu_si128(words + 2);
    const __m128i d = _mm_loadu_si128(words + 3);
    auto* line = reinterpret_cast<__m128i*>(to);
    _mm_stream_si128(line, a);
    _mm_stream_si128(line + 1, b);
    _mm_stream_si128(line + 2, c);
    _mm_stream_si128(line + 3, d);
    to += kLineBytes;
    from += kLineBytes;
  }
  if (left > 0) std::memcpy(to, from, left);
}

void finish_stores_around_cache() { _mm_sfence(); }

#else

void copy_around_cache(std::span<std::byte> destination, std::span<const std::byte> source) {
  QLOAD_ASSERT(destination.size() >= source.size());
  if (!source.empty()) std::memcpy(destination.data(), source.data(), source.size());
}

void finish_stores_around_cache() {}

#endif

}  // namespace qload
